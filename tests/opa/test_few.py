"""Runs with policies, judged beside others by the real OPA: what is said of each is what is said of it alone."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from avouch import errors
from avouch.attestation import trust
from avouch.controlplane.judging import judge as judging
from avouch.controlplane.judging import policies
from avouch.controlplane.model import judging as judging_model
from avouch.controlplane.model import policies as policy_model
from avouch.controlplane.model import verdicts
from avouch.opa import engine, memo
from avouch.policy import evaluation, rego
from tests.opa import engines
from tests.opa.test_engine import COUNTING, ENDLESS, compiled
from tests.opa.test_judging import HEAD, KEYS, Cluster, policy
from tests.unit.controlplane.judging import tekton_cases as cases
from tests.unit.controlplane.judging import test_judge as judges

pytestmark = pytest.mark.opa

DIGEST = "digest := input.chainloop_metadata.digest.sha256\n"
RULES = {
    "passing": 'violations contains "never" if not input.chainloop_metadata.digest\n',
    "violating": DIGEST + 'violations contains sprintf("%s is odd", [digest]) if startswith(digest, "1")\n',
    "failing": DIGEST + 'violations contains to_number(digest) if startswith(digest, "2")\n',
    "without-a-result": DIGEST
    + 'default valid_input := true\nignore if input.never\nresult := {"violations": [], "skipped": false}'
    + ' if not startswith(digest, "3")\n',
    "skipping": DIGEST
    + 'default valid_input := false\nvalid_input if not startswith(digest, "4")\n'
    + 'violations contains "never" if input.never\n',
    "malformed": DIGEST + 'violations contains 7 if startswith(digest, "5")\n',
    "of-the-run": "violations contains input.avouch.run.name\n",
    "of-the-time": 'violations contains "early" if time.now_ns() < 0\n',
    "of-chance": 'violations contains "none" if uuid.rfc4122("a") == ""\n',
}
ENDING = ENDLESS.replace("if {", 'if { startswith(input.chainloop_metadata.digest.sha256, "1");')


class Counting(engines.Front[engine.Engine]):
    """Implements `policy.evaluation.Joining` over the real engine, and counts what it is asked."""

    def __init__(self, running: engine.Engine) -> None:
        super().__init__(running)
        self.together_: list[set[str]] = []
        self.documents = 0

    @contextlib.asynccontextmanager
    async def document(self, tenant: str, content: bytes) -> AsyncIterator[evaluation.Asked]:
        self.documents += 1
        async with super().document(tenant, content) as asked:
            yield asked

    async def together(self, tenant: str, asked: Sequence[evaluation.Ahead]) -> Mapping[int, Any]:
        self.together_.append({one.script.name for one in asked})
        return await self.running.together(tenant, asked)


class Shop:
    """Runs of one image each, of a contract with policies on it, and what judges them."""

    def __init__(self, running: engine.Engine, rules: Mapping[str, str], count: int, gate: bool = True) -> None:
        self.running, self.counting = running, Counting(running)
        self.memory = memo.Remembering(self.counting)
        self.cluster = Cluster(*(policy(name, HEAD + rule, cases.IMAGE) for name, rule in rules.items()))
        self.cluster.attach(gate=gate)
        self.plan = replace(cases.planned(cases.image()), has_policies=True).to_json()
        self.records = [self.record(number) for number in range(count)]

    def record(self, number: int) -> judging_model.Record:
        run = cases.run(id=uuid.UUID(int=100 + number), plan=self.plan)
        return judging_model.Record(run, cases.snapshot(cases.built(f"sha256:{f'{number:x}'.ljust(64, 'a')}")))

    def judge(self, queue: judges.Queue, asked: evaluation.Engine, memory: memo.Remembering | None) -> judging.Judging:
        use = policies.Evaluating(self.cluster, self.cluster, asked, self.cluster, self.cluster, memory=memory)
        root = trust.TrustRoot(())
        return judging.Judging(  # time stands still: none is given back for the others' sake
            queue,
            judges.Store(),
            judges.Clock(),
            root,
            KEYS,
            use,
            lambda: 0.0,  # type: ignore[arg-type]  # in memory
        )

    async def alone(self) -> list[judging_model.Outcome]:
        queue = judges.Queue(single=list(self.records))
        while await self.judge(queue, self.running, None).few(1):
            pass
        return queue.settled

    async def beside_each_other(self) -> list[judging_model.Outcome]:
        queue = judges.Queue(single=list(self.records))
        while await self.judge(queue, self.memory, self.memory).few():
            pass
        return queue.settled


def documents(found: Sequence[judging_model.Outcome]) -> list[tuple[verdicts.Verdict, list[bytes]]]:
    """Verdicts, and what is signed of them: the signatures alone are never twice the same."""
    decided = [one for one in found if isinstance(one, judging_model.Decided)]
    return [(one.signed.verdict, [each.statement for each in one.signed.documents]) for one in decided]


def statuses(found: Sequence[judging_model.Outcome], name: str) -> list[str]:
    return [
        str(one.status) for verdict, _ in documents(found) for one in verdict.evaluations if one.policy == name
    ]  # fmt: skip


@pytest.mark.parametrize("rules", [{name: RULES[name]} for name in RULES] + [RULES], ids=[*RULES, "all"])
async def test_a_verdict_is_the_same_to_the_byte_beside_others_and_alone(
    running: engine.Engine, rules: dict[str, str]
) -> None:
    shop = Shop(running, rules, 7)
    alone, beside = documents(await shop.alone()), documents(await shop.beside_each_other())
    digest = [[re.sub(rb'"digest":\{"sha256":"[0-9a-f]{64}"\}', b"", each) for each in texts[1:]] for _, texts in alone]
    assert len(alone) == 7
    assert [verdict for verdict, _ in beside] == [verdict for verdict, _ in alone]
    assert [texts[0] for _, texts in beside] == [texts[0] for _, texts in alone]
    # The summary names the attestation by the digest of its bundle, in which the signature is another each time.
    again = [[re.sub(rb'"digest":\{"sha256":"[0-9a-f]{64}"\}', b"", each) for each in texts[1:]] for _, texts in beside]
    assert again == digest
    asked = set().union(*shop.counting.together_) if shop.counting.together_ else set()
    assert len(asked) == len([name for name in rules if name not in ("of-the-time", "of-chance")])


async def test_what_policies_say_of_values_of_many_runs_takes_one_request(running: engine.Engine) -> None:
    shop = Shop(running, {name: RULES[name] for name in ("passing", "violating", "skipping")}, 32)
    found = await shop.beside_each_other()
    assert [one.result.value for one, _ in documents(found)].count("Passed") == 32 - 17
    assert (len(shop.counting.together_), shop.counting.documents) == (1, 0)


async def test_a_script_that_never_ends_takes_its_own_run_and_is_asked_by_itself_from_then_on(
    running: engine.Engine,
) -> None:
    shop = Shop(running, {"ending": ENDING.removeprefix(HEAD), "passing": RULES["passing"]}, 4)
    found = await shop.beside_each_other()
    assert statuses(found, "ending") == ["Passed", "Error", "Passed", "Passed"]
    assert statuses(found, "passing") == ["Passed"] * 4
    first = len(shop.counting.together_)
    shop.records = [shop.record(number) for number in range(4, 8)]
    assert statuses(await shop.beside_each_other(), "passing") == ["Passed"] * 4
    ending = (await compiled(running, ENDING)).name
    assert ending in shop.counting.together_[0]
    assert all(ending not in each for each in shop.counting.together_[first:])


async def test_a_script_that_failed_among_others_is_asked_with_them_again_once_it_has_answered_for_a_while(
    running: engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memo, "_FAILED", 3)
    monkeypatch.setattr(memo, "_AT_ONCE", 60.0)
    shop = Shop(running, {"failing": RULES["failing"], "passing": RULES["passing"]}, 3)
    await shop.beside_each_other()
    for start in (16, 48):
        shop.records = [shop.record(number) for number in range(start, start + 3)]
        await shop.beside_each_other()
    names = {(await compiled(running, HEAD + RULES[name])).name for name in ("failing", "passing")}
    passing = (await compiled(running, HEAD + RULES["passing"])).name
    assert shop.counting.together_ == [names, {passing}, names]


async def test_others_are_judged_while_many_questions_of_one_tenant_take_their_moment(running: engine.Engine) -> None:
    ending, good = await compiled(running, ENDLESS), await compiled(running, COUNTING)
    slow = asyncio.create_task(running.together("slow", [evaluation.Ahead(b"{}", ending, {})]))
    async with running.document("quick", b'{"items": []}') as asked:
        await asked.ask(good, {})
    assert not slow.done()
    with pytest.raises(errors.TooLarge, match="took longer than 1 seconds"):
        await slow


@pytest.mark.parametrize(
    "document",
    [
        b'{}],"questions":[{"script":"x","document":0,"beside":{}}],"more":[{}',
        b"{},{}", b"", b'{"a": NaN}', "{}".encode("utf-16"), b'{"a": "\xff"}', b"[" * 100_000,
    ],
)  # fmt: skip
async def test_a_document_that_is_not_one_value_is_sent_with_no_question(
    running: engine.Engine, document: bytes
) -> None:
    good = await compiled(running, COUNTING)
    with pytest.raises(errors.Invalid, match="the document is no JSON"):
        await running.together("shop", [evaluation.Ahead(one, good, {}) for one in (b"{}", document)])
    assert (await running.together("shop", [evaluation.Ahead(b"{}", good, {})]))[0]["violations"] == []


async def test_each_of_many_questions_has_its_own_document_and_what_lies_beside_it(running: engine.Engine) -> None:
    script = await compiled(running, COUNTING)
    asked = [
        evaluation.Ahead(
            b'{"items": ["%d"], "args": {"said": "its own", "more": 1}}' % at, script, {"args": {"said": str(at)}}
        )
        for at in range(50)
    ]
    found = await running.together("shop", asked)
    assert [found[at]["violations"] for at in range(50)] == [[f"{at} {at}"] for at in range(50)]


async def test_an_engine_that_is_away_puts_off_runs_as_it_does_alone_and_spoils_nothing(running: engine.Engine) -> None:
    shop = Shop(running, {"passing": RULES["passing"]}, 3)
    real = running.server

    async def away(tenant: str) -> Any:
        raise errors.Unavailable("OPA does not start")

    running.server = away  # type: ignore[method-assign]  # as where there is no memory for a process
    found = await shop.judge(judges.Queue(single=shop.records), shop.memory, shop.memory).few()
    assert [type(one) for one in found] == [judging_model.Later] * 3
    running.server = real  # type: ignore[method-assign]  # it starts again
    assert statuses(await shop.beside_each_other(), "passing") == ["Passed"] * 3
    assert len(shop.counting.together_) == 2


async def test_a_run_has_a_thousand_evaluations_and_each_policy_says_once_what_it_left_out(
    running: engine.Engine,
) -> None:
    cluster = Cluster(*(policy(f"p{at:03}", HEAD + RULES["passing"], cases.IMAGE) for at in range(100)))
    cluster.attach(gate=True)
    names = [f"image{at:02}" for at in range(12)]
    asked = [replace(cases.image(), name=name) for name in names]
    case = cases.case(replace(cases.planned(*asked), has_policies=True), cases.snapshot(cases.built()))
    memory = memo.Remembering(running)
    use = policies.Evaluating(cluster, cluster, memory, cluster, cluster)
    found = await use.evaluated(case, cases.verdict(case), KEYS)
    assert [str(one.status) for one in found] == ["Passed"] * policies.EVALUATIONS + ["Error"] * 100
    assert {one.policy for one in found[policies.EVALUATIONS :]} == set(cluster.objects)
    assert (
        found[-1].reason == "not evaluated, neither here nor on what comes after it: a run has at most 1000 evaluations"
    )
    whole = cases.verdict(replace(case, evaluations=found))
    assert whole.result is verdicts.VerdictResult.ERROR
    assert len(whole.evaluations) == policies.EVALUATIONS + 100


class Slow(engines.Front[engine.Engine]):
    """Compiling a script takes so many seconds of its clock."""

    def __init__(self, running: engine.Engine, seconds: float) -> None:
        super().__init__(running)
        self._seconds, self.now, self._known = seconds, 0.0, set[str]()

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        self.now += 0 if source in self._known else self._seconds
        self._known.add(source)
        return await super().compiled(source)


@pytest.mark.parametrize(("seconds", "passed"), [(policies.ALLOWED / 2, 3), (policies.ALLOWED + 1, 2)])
async def test_what_compiling_takes_is_not_taken_from_the_time_of_the_run_as_long_as_it_is_no_more_than_that(
    running: engine.Engine, seconds: float, passed: int
) -> None:
    rules = {f"p{at}": f"{RULES['passing']}# {at}\n" for at in range(3)}
    shop, slow = Shop(running, rules, 1), Slow(running, seconds)
    use = policies.Evaluating(shop.cluster, shop.cluster, slow, shop.cluster, shop.cluster, clock=lambda: slow.now)
    plan = replace(cases.planned(cases.image()), has_policies=True)
    case = cases.case(plan, cases.snapshot(cases.built()))
    found = await use.evaluated(case, cases.verdict(case), KEYS)
    assert [one.status for one in found].count(policy_model.Status.PASSED) == passed
