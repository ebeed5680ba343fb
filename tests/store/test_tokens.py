import asyncio
import dataclasses
import datetime
import uuid

import pytest
import sqlalchemy as sa

from avouch import digests, errors
from avouch.controlplane.intake import tokens as token_rules
from avouch.controlplane.model import contracts as contract_model
from avouch.controlplane.model import identities
from avouch.store import contracts, database, organizations, tables
from avouch.store import tokens as token_store
from tests.store.conftest import NOW

pytestmark = pytest.mark.postgres

HOUR = datetime.timedelta(hours=1)


async def an_epoch(opened: database.Database) -> int:
    async with opened.transaction() as connection:
        return int((await connection.execute(sa.select(tables.leases.c.epoch))).scalar_one())


def a_token(**changes: object) -> identities.TokenRecord:
    minted = token_rules.mint(uuid.uuid4().bytes + uuid.uuid4().bytes + uuid.uuid4().bytes[:10])
    facts: dict[str, object] = {
        "id": minted.id, "name": "ci", "namespace": f"ns-{minted.id}", "namespace_uid": f"u-{minted.id}",
        "uid": minted.id, "scope": "Project", "workflow": "", "digest": minted.digest, "created_at": NOW,
    }  # fmt: skip
    return identities.TokenRecord(**{**facts, **changes})  # type: ignore[arg-type]


async def test_a_token_comes_back_as_it_was_kept(opened: database.Database) -> None:
    repository, token, epoch = (
        token_store.Tokens(opened),
        a_token(expires_at=NOW + HOUR, rotate="r"),
        await an_epoch(opened),
    )
    await repository.record(token, epoch=epoch)
    assert await repository.find(token.id) == token
    assert await repository.find("a" * 16) is None
    assert (token.namespace, "ci", token.uid) in await repository.keys()
    await repository.delivered(token.id, NOW, epoch=epoch)
    await repository.expire(token.id, None, epoch=epoch)
    assert await repository.find(token.id) == dataclasses.replace(token, delivered_at=NOW, expires_at=None)


async def test_the_text_of_a_token_is_nowhere_in_the_database(opened: database.Database) -> None:
    minted = token_rules.mint(bytes(range(100, 142)))
    token = a_token(id=minted.id, digest=minted.digest)
    await token_store.Tokens(opened).record(token, epoch=await an_epoch(opened))
    async with opened.transaction() as connection:
        (row,) = await connection.execute(sa.text("SELECT tokens::text FROM tokens WHERE id = :id"), {"id": token.id})
    assert minted.text[24:] not in row[0]


async def test_revoking_takes_effect_at_once_and_only_for_its_object(opened: database.Database) -> None:
    repository, epoch = token_store.Tokens(opened), await an_epoch(opened)
    mine, other = a_token(), a_token()
    second = a_token(uid=mine.uid, namespace=mine.namespace, namespace_uid=mine.namespace_uid)
    await repository.record(mine, epoch=epoch)
    await repository.delivered(mine.id, NOW, epoch=epoch)
    await repository.record(second, epoch=epoch)
    await repository.record(other, epoch=epoch)
    assert await repository.revoke(mine.uid, NOW, "asked", epoch=epoch) == 2
    assert await repository.revoke(mine.uid, NOW + HOUR, "asked again", epoch=epoch) == 0
    found = await repository.find(mine.id)
    assert found is not None
    assert (found.revoked_at, found.revoked_because) == (NOW, "asked")
    assert (await repository.find(other.id)) == other
    assert mine.uid not in {key[2] for key in await repository.keys()}


async def test_a_token_that_nobody_was_told_of_is_gone_when_the_next_is_made(opened: database.Database) -> None:
    repository, epoch, lost = token_store.Tokens(opened), await an_epoch(opened), a_token()
    await repository.record(lost, epoch=epoch)
    theirs, renamed = a_token(), a_token(name="other", namespace=lost.namespace, namespace_uid=lost.namespace_uid)
    for other in (theirs, renamed):
        await repository.record(other, epoch=epoch)
    kept = a_token(uid=lost.uid, namespace=lost.namespace, namespace_uid=lost.namespace_uid, created_at=NOW + HOUR)
    await repository.record(kept, epoch=epoch)
    assert await repository.find(lost.id) is None
    assert await repository.of_name(lost.namespace, "ci") == (kept,)
    assert [await repository.find(other.id) for other in (theirs, renamed)] == [theirs, renamed]


async def test_use_is_written_at_most_once_an_hour(opened: database.Database) -> None:
    repository, token, other = token_store.Tokens(opened), a_token(), a_token()
    for one in (token, other):
        await repository.record(one, epoch=await an_epoch(opened))

    async def used_at(at: datetime.datetime) -> datetime.datetime | None:
        await repository.used(token.id, at)
        found = await repository.find(token.id)
        return found.last_used_at if found else None

    assert await used_at(NOW) == NOW
    assert await used_at(NOW + HOUR / 2) == NOW
    assert await used_at(NOW - HOUR) == NOW
    assert await used_at(NOW + HOUR) == NOW + HOUR
    assert await repository.find(other.id) == other


async def test_a_token_of_a_namespace_made_anew_is_nobodys(opened: database.Database) -> None:
    repository, epoch, old = token_store.Tokens(opened), await an_epoch(opened), a_token()
    await repository.record(old, epoch=epoch)
    await repository.record(a_token(namespace=old.namespace, namespace_uid="another"), epoch=epoch)
    assert await repository.find(old.id) is None
    await repository.record(a_token(namespace="elsewhere", namespace_uid=old.namespace_uid), epoch=epoch)
    assert await repository.find(old.id) is None, "its uid under another name is not its namespace"


async def test_a_controller_of_an_older_epoch_neither_makes_nor_changes_tokens(opened: database.Database) -> None:
    repository, token, epoch = token_store.Tokens(opened), a_token(), await an_epoch(opened) + 5
    await repository.record(token, epoch=epoch)
    old = epoch - 1
    for write in (
        repository.record(a_token(), epoch=old),
        repository.delivered(token.id, NOW, epoch=old),
        repository.expire(token.id, NOW, epoch=old),
        repository.revoke(token.uid, NOW, "", epoch=old),
        organizations.Organizations(opened).record(identities.Organization("o", "h"), (), epoch=old),
        organizations.Organizations(opened).remove("o", epoch=old),
    ):
        with pytest.raises(errors.Conflict, match="epoch"):
            await write
    assert await repository.find(token.id) == token


async def test_a_namespace_belongs_to_the_one_organization_that_claims_it(opened: database.Database) -> None:
    repository, epoch = organizations.Organizations(opened), await an_epoch(opened)
    acme = identities.Organization("acme", "home", skip_runner_variables=True)
    rival = identities.Organization("rival", "elsewhere")
    await repository.record(acme, ("home", "team", "late"), epoch=epoch)
    assert await repository.of_namespace("team") == acme
    assert await repository.of_namespace("nobodys") is None
    await repository.record(rival, ("elsewhere", "team"), epoch=epoch)
    assert await repository.of_namespace("team") is None
    await repository.record(dataclasses.replace(acme, skip_runner_variables=False), ("home",), epoch=epoch)
    assert await repository.of_namespace("team") == rival
    assert await repository.of_namespace("late") is None
    assert (await repository.of_namespace("home")) == dataclasses.replace(acme, skip_runner_variables=False)
    assert set(await repository.names()) >= {"acme", "rival"}
    await repository.remove("acme", epoch=epoch)
    assert await repository.of_namespace("home") is None
    await repository.record(rival, (), epoch=epoch)
    assert await repository.of_namespace("team") is None


async def test_settings_that_another_version_recorded_do_not_stop_this_one(opened: database.Database) -> None:
    repository, epoch = organizations.Organizations(opened), await an_epoch(opened)
    await repository.record(identities.Organization("old", "old-home"), ("old-home",), epoch=epoch)
    settings = {"skip_runner_variables": True, "block_released_versions": True, "retention": {}}
    async with opened.transaction() as connection:
        known = tables.organizations
        await connection.execute(sa.update(known).where(known.c.name == "old").values(settings=settings))
    found = await repository.of_namespace("old-home")
    assert found == identities.Organization("old", "old-home", skip_runner_variables=True)


def a_revision(namespace: str, text: bytes, uid: str = "n") -> contract_model.ContractRevision:
    return contract_model.ContractRevision(
        namespace, uid, "c", "u", 0, digests.of_bytes(text), text, NOW, f"of {text.decode()}"
    )


async def test_revisions_are_found_by_number_and_listed_newest_first(opened: database.Database) -> None:
    repository, epoch, namespace = contracts.Contracts(opened), await an_epoch(opened), f"ns-{uuid.uuid4()}"
    first = await repository.record(a_revision(namespace, b"1"), epoch=epoch)
    second = await repository.record(a_revision(namespace, b"2"), epoch=epoch)
    again = await repository.record(dataclasses.replace(a_revision(namespace, b"2"), source_digest="x"), epoch=epoch)
    assert again == second
    assert second.source_digest == "of 2"
    assert await repository.get(namespace, "c", 1) == first
    assert await repository.get(namespace, "c", 3) is None
    assert await repository.list(namespace, "c") == (second, first)
    assert await repository.list(namespace, "other") == ()
    await repository.record(a_revision(namespace, b"3", uid="made anew"), epoch=epoch)
    assert [found.canonical for found in await repository.list(namespace, "c")] == [b"3"]
    assert await repository.get(namespace, "c", 2) is None


async def test_contracts_are_numbered_each_for_itself_and_found_by_place_and_time(opened: database.Database) -> None:
    repository, epoch = contracts.Contracts(opened), await an_epoch(opened)
    first = await repository.record(a_revision("here", b"1"), epoch=epoch)
    later = dataclasses.replace(a_revision("here", b"2"), recorded_at=NOW + HOUR)
    second = await repository.record(later, epoch=epoch)
    other = await repository.record(dataclasses.replace(a_revision("here", b"2"), name="d"), epoch=epoch)
    there = await repository.record(a_revision("there", b"2", uid="m"), epoch=epoch)
    assert [one.revision for one in (first, second, other, there)] == [1, 2, 1, 1]
    assert [await repository.newest("here", "c"), await repository.newest("here", "d")] == [second, other]
    assert [await repository.newest("there", "c"), await repository.newest("there", "d")] == [there, None]
    assert await repository.list("here", "c") == (second, first)
    assert await repository.get("there", "c", 1) == there
    for before, found in ((NOW - HOUR, first), (NOW, first), (NOW + HOUR / 2, first), (NOW + HOUR, second)):
        assert await repository.newest("here", "c", before=before) == found


async def test_revisions_that_come_at_once_have_numbers_of_their_own(opened: database.Database) -> None:
    repository, epoch = contracts.Contracts(opened), await an_epoch(opened)
    await repository.record(a_revision("here", b"first"), epoch=epoch)
    asked = [repository.record(a_revision("here", b"%d" % number), epoch=epoch) for number in range(8)]
    assert sorted(one.revision for one in await asyncio.gather(*asked)) == list(range(2, 10))
