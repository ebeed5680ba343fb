"""Bundles that take long to check are checked beside the event loop, and none may hold more than any honest one."""

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from avouch import errors
from avouch.attestation import predicate, strictjson
from avouch.controlplane.intake import bundles
from tests.unit.attestation import builders
from tests.unit.attestation.builders import NOW, POD, Pki


class Beside(Executor):
    """The thread: does at once what it is given, and counts it."""

    def __init__(self) -> None:
        self.given = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given += 1
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except errors.AvouchError as exc:
            done.set_exception(exc)
        return done


@pytest.fixture(scope="module")
def pki() -> Pki:
    return builders.pki()


def of_size(pki: Pki, size: int) -> bytes:
    """A good bundle of exactly so many bytes: blanks after JSON are JSON."""
    made = pki.bundle(predicate.build(builders.facts()))
    return made + b" " * (size - len(made))


def with_more(pki: Pki, **said: object) -> bytes:
    """A bundle that says more in its predicate."""
    statement = json.loads(predicate.build(builders.facts()))
    statement["predicate"].update(said)
    return pki.bundle(json.dumps(statement).encode())


@pytest.mark.parametrize(("size", "given"), [(bundles.IN_LOOP, 0), (bundles.IN_LOOP + 1, 1)])
async def test_only_large_bundles_leave_the_loop_and_both_are_believed(pki: Pki, size: int, given: int) -> None:
    beside = Beside()
    found = await bundles.Checking(beside).believe(of_size(pki, size), pki.trust, POD, NOW)
    assert found.facts == builders.facts()
    assert beside.given == given


async def test_a_large_bundle_that_does_not_verify_is_refused_as_a_small_one_is(pki: Pki) -> None:
    beside = Beside()
    for size in (bundles.IN_LOOP, bundles.IN_LOOP + 1):
        with pytest.raises(errors.NotVerified, match="step 5 chain"):
            await bundles.Checking(beside).believe(of_size(pki, size), builders.pki().trust, POD, NOW)
    assert beside.given == 1


async def test_the_thread_is_one_whatever_comes_at_once() -> None:
    thread = bundles.one_thread()
    assert thread._max_workers == 1  # type: ignore[attr-defined]
    thread.shutdown()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"x": [0] * bundles.MAX_ITEMS}, "JSON of more than 50000 items"),
        ({"x": {"": [""] * 2 * bundles.MAX_ITEMS}}, "JSON of more than 50000 items"),
        ({"x": [10 ** (strictjson.MAX_DIGITS + 1)]}, "a number of 402 digits, at most 400"),
        ({"x": ["0" * 33, 10**33]}, ""),
    ],
    ids=["items", "texts", "digits", "neither"],
)
def test_what_no_honest_bundle_holds_is_refused_before_it_is_read(pki: Pki, said: dict[str, object], why: str) -> None:
    content = with_more(pki, **said)
    if not why:
        assert bundles.believe(content, pki.trust, POD, NOW).facts == builders.facts()
        return
    with pytest.raises(errors.NotVerified, match=why):
        bundles.believe(content, pki.trust, POD, NOW)


def test_more_materials_than_any_contract_has_are_refused_before_one_is_read(pki: Pki) -> None:
    with pytest.raises(errors.TooLarge, match="1025 materials, at most 1024") as refused:
        bundles.believe(with_more(pki, materials=[None] * 1025), pki.trust, POD, NOW)
    assert refused.value.field == "materials"
    many = tuple(builders.file_material(f"m{i}") for i in range(1025))
    with pytest.raises(errors.TooLarge, match="1025 materials"):
        predicate.build(builders.facts(materials=many))
    assert predicate.build(builders.facts(materials=many[:1024]))


def test_the_largest_run_that_a_contract_can_ask_for_is_believed(pki: Pki) -> None:
    notes = {f"note-{i}": "value" for i in range(32)}
    many = tuple(builders.file_material(f"m{i:03}", output=True, annotations=notes) for i in range(200))
    facts = builders.facts(materials=many)
    assert bundles.believe(pki.bundle(predicate.build(facts)), pki.trust, POD, NOW).facts == facts
