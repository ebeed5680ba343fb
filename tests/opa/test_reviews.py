"""Policies that users try on the server: PolicyReviews, in the real engine."""

import asyncio
import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from avouch import errors
from avouch.ingest.aggregated import policyreviews
from avouch.opa import engine, launching, program
from tests.opa import commands
from tests.unit.cli import line

pytestmark = pytest.mark.opa

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LIMITS = launching.Limits(seconds=2.0, memory=192 * launching.MIB, answer=launching.MIB)
EXAMPLES = Path("examples/policies")
HEAD = "package main\nimport rego.v1\n"


@pytest.fixture
def reviews(environment: dict[str, str]) -> policyreviews.Reviews:
    made = engine.Engine(lambda: program.found(environment, LIMITS))
    return policyreviews.Reviews(lambda: engine.rested(made))


def body(script: str, document: str = "{}", **said: Any) -> bytes:
    policy = {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Policy",
        "metadata": {"name": "tried"},
        "spec": {"policies": [{"kind": "SARIF", "embedded": HEAD + script}]},
    }
    spec = json.dumps({"policy": policy, "type": "SARIF", **said})
    return f'{{"metadata": {{"name": "mine"}}, "spec": {spec[:-1]}, "document": {document}}}}}'.encode()


async def status(reviews: policyreviews.Reviews, asked: bytes) -> dict[str, Any]:
    found = await reviews.reviewed("shop", asked, NOW)
    assert found["metadata"] == {"name": "mine", "namespace": "shop", "creationTimestamp": "2026-12-01T00:00:00Z"}
    said: dict[str, Any] = found["status"]
    return said


@pytest.mark.parametrize(
    ("script", "outcome", "message"),
    [
        ('violations contains "no" if input.bad', "Passed", ""),
        ('violations contains "no" if not input.bad', "Violated", ""),
        ('skipped := true\nskip_reason := "not mine"\nviolations contains "no" if input.bad', "Skipped", "not mine"),
        ('ignore := true\nviolations contains "no" if input.bad', "Ignored", ""),
        ("violations contains to_number(input.word)", "Error", "to_number"),
        ('violations contains "no" if nothing_of_that_name', "Error", "nothing_of_that_name"),
        ("violations contains n if some n in numbers.range(1, 1000000000)", "Error", "took"),
    ],
)
async def test_a_review_says_what_a_policy_says(
    reviews: policyreviews.Reviews, script: str, outcome: str, message: str
) -> None:
    found = await status(reviews, body(script, '{"word": "a"}'))
    assert found["outcome"] == outcome
    assert message in found.get("message", "")
    assert found["engine"].startswith("OPA 1.")


async def test_scripts_see_the_document_as_it_was_written_and_what_was_said_beside_it(
    reviews: policyreviews.Reviews,
) -> None:
    script = """
violations contains json.marshal([
    input.elements, input.args, input.chainloop_metadata.name, input.avouch.run.name, time.now_ns(),
])
"""
    said = {"inputs": {"a": "b"}, "metadata": {"name": "m"}, "run": {"name": "r"}, "at": "1970-01-01T00:00:01Z"}
    found = await status(reviews, body(script, '[1.50, {"n": 12345678901234567890}]', **said))
    (violation,) = found["violations"]
    assert violation["message"] == '[[1.50,{"n":12345678901234567890}],{"a":"b"},"m","r",1000000000]'


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (b"[]", "spec"),
        (b'{"spec": {"type": "SARIF"}}', "spec"),
        (b'{"spec": {"policy": {}, "type": "SARIF", "documents": 1}}', "spec"),
        (b'{"spec": {"policy": {}, "type": "SARIFF"}}', "spec.type"),
        (b'{"spec": {"policy": {}, "type": "SARIF"}}', "spec.policy"),
        (b'{"spec": {"policy": {"kind": "PolicyGroup", "apiVersion": "chainloop.dev/v1", "metadata": {"name": "g"},'
         b' "spec": {}}, "type": "SARIF"}}', "spec.policy.kind"),
        (body("ignore := true", at="today"), "spec.at"),
    ],
)  # fmt: skip
async def test_what_is_no_review_is_refused_with_its_field(
    reviews: policyreviews.Reviews, change: bytes, field: str
) -> None:
    with pytest.raises(errors.Invalid) as told:
        await reviews.reviewed("shop", change, NOW)
    assert told.value.field.startswith(field)


async def test_reviews_have_turns_and_a_user_has_one(reviews: policyreviews.Reviews) -> None:
    done: list[str] = []

    async def one(user: str) -> None:
        async with reviews.turn(user, f"of-{user}"):
            await asyncio.sleep(0)
            done.append(user)

    async with reviews.turn("first", "shop"):
        waiting = [asyncio.create_task(one(f"user-{number}")) for number in range(7)]
        await asyncio.sleep(0)
        with pytest.raises(errors.Overloaded, match="not done yet"):
            await one("user-3")
        with pytest.raises(errors.Overloaded, match="users wait"):
            await one("another")
        assert done == []
    await asyncio.gather(*waiting)
    assert done == [f"user-{number}" for number in range(7)]
    await one("another")


async def test_users_of_one_namespace_do_not_keep_those_of_another_waiting(reviews: policyreviews.Reviews) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(reviews.turn("system:serviceaccount:evil:a-0", "evil"))
        waiting = [
            asyncio.create_task(_turned(reviews, f"system:serviceaccount:evil:a-{at}", "evil")) for at in (1, 2, 3)
        ]
        await asyncio.sleep(0)
        assert [each.done() for each in waiting] == [False, True, True]
        other = asyncio.create_task(_turned(reviews, "alice", "shop"))
        await asyncio.sleep(0)
        assert not other.done()
    assert [await each for each in (*waiting, other)] == [True, False, False, True]


async def _turned(reviews: policyreviews.Reviews, user: str, namespace: str) -> bool:
    try:
        async with reviews.turn(user, namespace):
            return True
    except errors.Overloaded:
        return False


async def test_a_server_without_opa_says_so() -> None:
    made = engine.Engine(lambda: program.found({"AVOUCH_OPA": "/nowhere/opa"}, LIMITS))
    reviews = policyreviews.Reviews(lambda: engine.rested(made))
    with pytest.raises(errors.NotReady, match="no policy engine"):
        await reviews.reviewed("shop", body("ignore := true"), NOW)


class Cluster:
    """Kubernetes with our server behind it."""

    def __init__(self, reviews: policyreviews.Reviews) -> None:
        self._reviews = reviews

    def namespace(self) -> str:
        return "shop"

    def post(self, path: str, body: Any) -> dict[str, Any]:
        assert path == "/apis/runs.avouch.dev/v1alpha1/namespaces/shop/policyreviews"
        with ThreadPoolExecutor(1) as apart:  # the command's own loop waits for kubectl meanwhile
            return apart.submit(asyncio.run, self._reviews.reviewed("shop", json.dumps(body).encode(), NOW)).result()


def command(environment: dict[str, str], reviews: policyreviews.Reviews, *arguments: str) -> line.Answer:
    return line.run("policy", *arguments, adapters=commands.Adapters(environment, cluster=Cluster(reviews)))


def test_the_server_says_what_this_machine_says_of_each_case(
    environment: dict[str, str], reviews: policyreviews.Reviews
) -> None:
    names = ("sbom-fresh", "tests-passed", "tasks-trusted")
    tables = [str(EXAMPLES / f"{name}.test.yaml") for name in names]
    answer = command({}, reviews, "test", "--on-server", *tables)
    assert answer.code == 0, answer.out
    assert "all passed" in answer.err
    assert " of the server" in answer.err


def test_eval_by_the_server_prints_what_eval_prints(
    environment: dict[str, str], reviews: policyreviews.Reviews, tmp_path: Path
) -> None:
    finding = {"message": "m", "external_id": "CVE-1", "package_purl": "pkg:deb/a", "severity": "HIGH"}
    policy = {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Policy",
        "metadata": {"name": "p", "annotations": {"chainloop.dev/finding_type": "VULNERABILITY"}},
        "spec": {
            "inputs": [{"name": "need", "required": True}],
            "policies": [{"kind": "EVIDENCE", "embedded": HEAD + f"violations contains {json.dumps(finding)}"}],
        },
    }
    (tmp_path / "p.yaml").write_text(json.dumps(policy))
    (tmp_path / "m.json").write_text("{}")
    arguments = ("eval", "-f", str(tmp_path / "p.yaml"), "--material", str(tmp_path / "m.json"), "--kind", "EVIDENCE")
    given = ("--input", "need=1", "--input", "other=2")
    here, there = (command(environment, reviews, *arguments, *given, *more) for more in ((), ("--on-server",)))
    assert (there.code, there.out) == (here.code, here.out) == (1, here.out)
    assert "external_id: CVE-1" in there.out
    assert "note: other is no input of policy p" in there.err
    assert "of the server" in there.err
    policy["spec"]["policies"] = [{"kind": "EVIDENCE", "embedded": HEAD + "nonsense"}]  # type: ignore[index]
    (tmp_path / "p.yaml").write_text(json.dumps(policy))
    answer = command(environment, reviews, *arguments, *given, "--on-server")
    assert answer.code == 1
    assert "var cannot be used for rule name" in answer.err
