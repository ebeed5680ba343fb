"""APITokens: minted once, delivered once, rotated with overlap, revoked at once; and what a crash leaves."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.intake import tokens as token_rules
from avouch.integrations import registry
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import apitokens, conditions, context, specs, token_secrets, watching
from tests.unit.reconcilers import tokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key("APIToken", "team", "ci")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Stage:
    """One APIToken, with a clock that stands still."""

    def __init__(self, **organization: Any) -> None:
        self.memory, self.secrets, self.at = tokens.Memory(), tokens.Secrets(), NOW
        cache, address = ObjectCache(specs.INDEXERS), token_secrets.Address("https://avouch.example", b"CA")
        self.context = context.Context(
            cache=cache, contracts=self, workflows=self, deliveries=self, organizations=self,  # type: ignore[arg-type]
            backends=self,  # type: ignore[arg-type]
            exceptions=self,  # type: ignore[arg-type]
            issuing=token_secrets.Issuing(self.memory, self.secrets, lambda: address),
            canonical=lambda obj: b"", clock=self, epoch=lambda: 1, creator=self, integrations=registry.Types(),  # type: ignore[arg-type]
            compiler=None,  # type: ignore[arg-type]
            fetches=None,  # type: ignore[arg-type]
        )  # fmt: skip
        for namespace in ("team", "home"):
            cache.put(Key("Namespace", "", namespace), {"metadata": {"name": namespace, "uid": f"uid-{namespace}"}})
        if organization:
            spec = {"homeNamespace": "home", "projects": {"namespaces": ["team"]}, "settings": organization}
            cache.put(Key("Organization", "", "acme"), {"metadata": {"name": "acme"}, "spec": spec})

    def now(self) -> datetime:
        return self.at

    async def look(
        self, namespace: str = "team", uid: str = "u", gone: bool = False, **spec: Any
    ) -> conditions.Desired:
        meta = {"name": "ci", "namespace": namespace, "uid": uid, **({"deletionTimestamp": "now"} if gone else {})}
        return await apitokens.reconcile(
            self.context, Key("APIToken", namespace, "ci"), {"metadata": meta, "spec": spec}
        )

    def text(self, secret: str = "avouch-token-ci") -> str:  # noqa: S107 - a name
        return base64.b64decode(self.secrets.written[secret]["data"]["token"]).decode()

    def good(self, text: str) -> bool:
        try:
            token_rules.check(self.memory.rows.get(token_rules.parse(text)), text, self.at)
        except errors.Unauthenticated:
            return False
        return True

    # what `Context` needs beside, for `absent`
    async def attachments(self, namespace: str) -> list[Any]:
        return []

    async def names(self) -> list[str]:
        return ["acme"]


def ready(desired: conditions.Desired) -> tuple[str, str]:
    found = desired.conditions[0]
    return found.status, found.reason


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_token_is_made_once_and_written_into_its_secret(stage: Stage) -> None:
    desired = await stage.look()
    text = stage.text()
    assert ready(desired) == ("True", "Succeeded")
    assert "never expires" in desired.conditions[0].message
    assert stage.good(text)
    secret = stage.secrets.written["avouch-token-ci"]
    assert secret["type"] == "avouch.dev/token"
    assert {key: base64.b64decode(value) for key, value in secret["data"].items() if key != "token"} == {
        "server": b"https://avouch.example",
        "ca.crt": b"CA",
    }
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "u"
    again = await stage.look()
    assert (again, stage.text(), len(stage.memory.rows)) == (desired, text, 1)
    assert desired.fields["tokens"] == [{"id": token_rules.parse(text), "createdAt": "2026-01-01T00:00:00Z"}]


async def test_the_text_of_a_token_is_in_no_status_and_no_row(stage: Stage) -> None:
    desired = await stage.look()
    assert stage.text() not in repr(desired) + repr(stage.memory.rows)
    assert stage.text()[24:] not in repr(desired) + repr(stage.memory.rows)


@pytest.mark.parametrize("spec", [{"lifetime": "24h"}, {"expiresAt": "2026-01-02T00:00:00Z"}])
async def test_a_token_ends_when_it_was_told_to_and_the_object_says_so(stage: Stage, spec: dict[str, Any]) -> None:
    desired = await stage.look(**spec)
    assert desired.fields["expiresAt"] == "2026-01-02T00:00:00Z"
    assert desired.recheck == DAY.total_seconds()
    stage.at = NOW + DAY
    assert not stage.good(stage.text())
    expired = await stage.look(**spec)
    assert ready(expired) == ("False", "Expired")
    assert "tokens" not in expired.fields
    assert len(stage.memory.rows) == 1


async def test_a_shorter_life_holds_for_the_token_that_is_there_and_a_longer_one_does_not_wake_a_dead(
    stage: Stage,
) -> None:
    await stage.look(lifetime="240h")
    await stage.look(lifetime="24h")
    stage.at = NOW + DAY
    assert not stage.good(stage.text())
    assert ready(await stage.look(lifetime="240h")) == ("False", "Expired")
    assert not stage.good(stage.text())


async def test_no_token_is_made_that_would_be_over_at_once(stage: Stage) -> None:
    assert ready(await stage.look(expiresAt="2025-12-31T00:00:00Z")) == ("False", "Expired")
    assert stage.memory.rows == {}


async def test_another_text_in_rotate_makes_another_token_and_the_old_one_overlaps(stage: Stage) -> None:
    await stage.look(rotate="a")
    old = stage.text()
    stage.at += HOUR
    desired = await stage.look(rotate="b")
    new = stage.text()
    assert new != old
    assert stage.good(old)
    assert stage.good(new)
    assert [token["id"] for token in desired.fields["tokens"]] == [token_rules.parse(new), token_rules.parse(old)]
    stage.at += DAY
    assert not stage.good(old)
    assert stage.good(new)
    assert len((await stage.look(rotate="b")).fields["tokens"]) == 1
    await stage.look(rotate="a")  # back is another text as well
    assert stage.text() != new


async def test_without_overlap_the_old_token_ends_at_once(stage: Stage) -> None:
    await stage.look()
    old = stage.text()
    stage.at += HOUR
    await stage.look(rotate="now", rotation={"overlap": "0s"})
    assert not stage.good(old)
    assert stage.good(stage.text())


async def test_an_overlap_never_lengthens_a_life(stage: Stage) -> None:
    await stage.look(lifetime="2h")
    old = stage.text()
    stage.at += HOUR
    await stage.look(lifetime="2h", rotate="x")
    stage.at = NOW + 2 * HOUR
    assert not stage.good(old)


async def test_rotation_comes_by_itself(stage: Stage) -> None:
    spec = {"rotation": {"every": "24h", "overlap": "1h"}}
    first = await stage.look(**spec)
    old = stage.text()
    assert first.recheck == DAY.total_seconds()
    stage.at += DAY - HOUR
    await stage.look(**spec)
    assert stage.text() == old
    stage.at += HOUR
    desired = await stage.look(**spec)
    assert stage.text() != old
    assert desired.recheck == HOUR.total_seconds()
    stage.at += HOUR
    assert not stage.good(old)


async def test_revoked_is_at_once_and_for_good_until_another_rotate(stage: Stage) -> None:
    await stage.look()
    old = stage.text()
    revoked = await stage.look(revoked=True)
    assert ready(revoked) == ("False", "Revoked")
    assert "set spec.revoked to false, and change spec.rotate" in revoked.conditions[0].message
    assert not stage.good(old)
    await stage.look(revoked=True, rotate="x")
    assert ready(await stage.look()) == ("False", "Revoked")
    assert (len(stage.memory.rows), stage.text()) == (1, old)
    stage.at += HOUR
    assert ready(await stage.look(rotate="x")) == ("True", "Succeeded")
    assert stage.good(stage.text())
    assert not stage.good(old)


async def test_revoked_from_the_start_makes_nothing(stage: Stage) -> None:
    assert ready(await stage.look(revoked=True)) == ("False", "Revoked")
    assert (stage.memory.rows, stage.secrets.written) == ({}, {})


async def test_rotation_never_revives_what_was_revoked(stage: Stage) -> None:
    spec = {"rotation": {"every": "1h"}}
    await stage.look(**spec)
    await stage.look(revoked=True, **spec)
    stage.at += DAY
    assert ready(await stage.look(**spec)) == ("False", "Revoked")
    assert len(stage.memory.rows) == 1


async def test_suspension_makes_no_token_but_revokes_all_the_same(stage: Stage) -> None:
    await stage.look(suspend=True)
    assert stage.memory.rows == {}
    await stage.look()
    old = stage.text()
    await stage.look(suspend=True, rotate="x")
    assert stage.text() == old
    assert stage.good(old)
    await stage.look(suspend=True, revoked=True)
    assert not stage.good(old)


async def test_deletion_revokes_whether_seen_or_missed(stage: Stage) -> None:
    await stage.look()
    first = stage.text()
    await stage.look(gone=True)  # held back by somebody's finalizer
    assert not stage.good(first)
    await stage.look(rotate="x")
    second = stage.text()
    await apitokens.remove(stage.context, KEY, None)
    assert not stage.good(second)


async def test_a_successor_of_the_same_name_inherits_nothing(stage: Stage) -> None:
    await stage.look()
    old = stage.text()
    await stage.look(uid="another")
    assert not stage.good(old)
    assert stage.good(stage.text())


async def test_what_was_deleted_while_nobody_watched_is_found_by_the_database(stage: Stage) -> None:
    await stage.look()

    async def none() -> list[Any]:
        return []

    stage.context.workflows.keys = none  # type: ignore[method-assign]
    gone = await watching.absent(stage.context, set())
    assert (KEY, None) in gone
    assert (Key("Organization", "", "acme"), None) in gone
    assert await watching.absent(stage.context, {key for key, _ in gone}) == []


async def test_a_crash_before_the_secret_leaves_a_token_that_ends_with_the_next(stage: Stage) -> None:
    stage.secrets.fail = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await stage.look()
    (lost,) = stage.memory.rows
    stage.secrets.fail = None
    assert ready(await stage.look()) == ("True", "Succeeded")
    assert lost not in stage.memory.rows
    assert stage.good(stage.text())


async def test_a_crash_after_the_secret_ends_the_token_in_it_and_writes_another(stage: Stage) -> None:
    stage.secrets.die = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await stage.look()
    half = stage.text()
    stage.secrets.die = None
    await stage.look()
    assert stage.text() != half
    assert not stage.good(half)
    assert stage.good(stage.text())


async def test_a_rotation_that_cannot_be_delivered_does_not_end_the_present_token(stage: Stage) -> None:
    await stage.look()
    old = stage.text()
    stage.secrets.fail = errors.Unavailable("the API server is away")
    stage.at += HOUR
    with pytest.raises(errors.Unavailable):
        await stage.look(rotate="x")
    stage.at += 30 * DAY
    assert stage.good(old)


async def test_another_ones_secret_is_never_written_over(stage: Stage) -> None:
    stage.secrets.taken.add("database-password")
    desired = await stage.look(secretName="database-password")
    assert ready(desired) == ("False", "InvalidSecret")
    assert "delete that Secret" in desired.conditions[0].message
    assert desired.recheck == 30  # a predecessor's Secret may be on its way out
    assert stage.secrets.written == {}


async def test_no_leave_to_write_secrets_is_said_with_the_servers_words(stage: Stage) -> None:
    stage.secrets.fail = errors.Denied("secrets is forbidden")
    desired = await stage.look()
    assert ready(desired) == ("False", "InvalidSecret")
    assert "may not write Secret avouch-token-ci: secrets is forbidden" in desired.conditions[0].message


async def test_an_install_without_tokens_makes_none_and_says_how() -> None:
    stage = Stage()
    off = token_secrets.Issuing(stage.memory, stage.secrets, enabled=False)
    object.__setattr__(stage.context, "issuing", off)
    desired = await stage.look()
    assert ready(desired) == ("False", "SwitchedOff")
    assert "apiTokens.enabled" in desired.conditions[0].message
    assert stage.memory.rows == {}


async def test_organization_scope_is_for_the_home_namespace_only() -> None:
    stage = Stage(skipRunnerVariables=True)
    away = await stage.look(scope="Organization")
    assert ready(away) == ("False", "DependencyNotReady")
    assert "needs the Organization's home namespace, home" in away.conditions[0].message
    assert stage.memory.rows == {}
    assert ready(await stage.look("home", scope="Organization")) == ("True", "Succeeded")
    (row,) = stage.memory.rows.values()
    assert (row.scope, row.namespace) == ("Organization", "home")


async def test_organization_scope_waits_where_nobody_claims_the_namespace(stage: Stage) -> None:
    assert ready(await stage.look("home", scope="Organization")) == ("False", "DependencyNotReady")
    assert stage.memory.rows == {}


async def test_workflow_scope_is_kept_with_the_token(stage: Stage) -> None:
    await stage.look(scope="Workflow", workflow="build")
    (row,) = stage.memory.rows.values()
    assert (row.scope, row.workflow) == ("Workflow", "build")


async def test_a_token_that_nobody_uses_is_swept_and_stays_away(stage: Stage) -> None:
    spec = {"inactiveAfter": "48h"}
    await stage.look(**spec)
    stage.at += DAY
    await stage.memory.used(token_rules.parse(stage.text()), stage.at)
    stage.at += 2 * DAY - HOUR
    used = await stage.look(**spec)
    assert ready(used) == ("True", "Succeeded")
    assert used.fields["lastUsedAt"] == "2026-01-02T00:00:00Z"
    assert used.recheck == HOUR.total_seconds()
    stage.at += HOUR
    swept = await stage.look(**spec)
    assert ready(swept) == ("False", "Revoked")
    assert "it was unused for 2 days" in swept.conditions[0].message
    assert not stage.good(stage.text())
    assert ready(await stage.look()) == ("False", "Revoked")


async def test_the_organization_says_after_how_many_days_unless_the_token_does() -> None:
    stage = Stage(apiTokenInactivityDays=3)
    await stage.look()
    stage.at += 3 * DAY
    assert ready(await stage.look(inactiveAfter="96h")) == ("True", "Succeeded")
    assert ready(await stage.look()) == ("False", "Revoked")


async def test_an_overlapping_token_in_use_keeps_the_new_one_from_being_swept(stage: Stage) -> None:
    spec = {"inactiveAfter": "24h", "rotation": {"overlap": "240h"}}
    await stage.look(**spec)
    old = stage.text()
    stage.at += HOUR
    await stage.look(rotate="x", **spec)
    stage.at += DAY
    await stage.memory.used(token_rules.parse(old), stage.at)
    assert ready(await stage.look(rotate="x", **spec)) == ("True", "Succeeded")


async def test_who_asks_for_another_token_gets_it_although_nobody_used_the_last(stage: Stage) -> None:
    await stage.look(inactiveAfter="24h")
    stage.at += 2 * DAY
    assert ready(await stage.look(inactiveAfter="24h", rotate="x")) == ("True", "Succeeded")
    assert stage.good(stage.text())
