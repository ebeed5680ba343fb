"""Our dataclasses do what those of the standard library do, as far as we use them."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field

import pytest

from avouch.values import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Ours:
    """A value."""

    name: str
    size: int = 0
    notes: dict = field(default_factory=dict, compare=False)
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("negative")


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Theirs:
    """The same, of the standard library."""

    name: str
    size: int = 0
    notes: dict = field(default_factory=dict, compare=False)
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("negative")


BOTH = pytest.mark.parametrize("kind", [Ours, Theirs])


@BOTH
def test_a_value_is_made_by_place_and_by_name_with_defaults_of_its_own(kind):
    made, other = kind("a", notes={"k": 1}), kind("a")
    assert (made.name, made.size, made.notes, made.secret) == ("a", 0, {"k": 1}, "")
    assert kind("b", 1, {}, "s") == kind(secret="s", size=1, name="b")  # noqa: S106
    assert other.notes is not kind("a").notes


@BOTH
@pytest.mark.parametrize(("given", "named"), [((), {}), (("a", 1, {}, "", "more"), {}), (("a",), {"name": "b"}),
                                              (("a",), {"unknown": 1})])  # fmt: skip
def test_a_value_of_other_fields_is_refused(kind, given, named):
    with pytest.raises(TypeError):
        kind(*given, **named)


@BOTH
def test_what_a_value_checks_of_itself_is_checked_each_time(kind):
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            kind("a", -1)


@BOTH
def test_values_are_equal_by_class_and_compared_fields(kind):
    assert kind("a", 1, {"k": 1}) == kind("a", 1)
    assert hash(kind("a", 1, {"k": 1})) == hash(kind("a", 1))
    assert kind("a") != kind("b")
    assert kind("a") != kind("a", secret="s")  # noqa: S106
    assert kind("a").__eq__(("a", 0, "")) is NotImplemented
    assert Ours("a") != Theirs("a")


@BOTH
def test_values_are_sorted_among_themselves_only(kind):
    assert sorted([kind("b"), kind("a", 2), kind("a", 1)]) == [kind("a", 1), kind("a", 2), kind("b")]
    assert kind("a") <= kind("a") < kind("b") >= kind("b") > kind("a")
    with pytest.raises(TypeError):
        kind("a") < ("b",)  # noqa: B015


def test_a_value_shows_what_it_may_show():
    shown = repr(Ours("a", 1, secret="s"))  # noqa: S106
    assert shown == repr(Theirs("a", 1)).replace("Theirs", "Ours")
    assert "secret" not in shown


@BOTH
def test_a_value_never_changes(kind):
    made = kind("a")
    for change in (lambda: setattr(made, "name", "b"), lambda: delattr(made, "name")):
        with pytest.raises(FrozenInstanceError):
            change()
    assert made == kind("a")
    assert not hasattr(made, "__dict__")


@BOTH
def test_a_value_can_be_copied_pickled_replaced_and_matched(kind):
    made = kind("a", 1, {"k": [1]}, "s")
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301
        assert (twin, twin.notes) == (made, made.notes)
    assert copy.deepcopy(made).notes is not made.notes
    assert dataclasses.replace(made, name="b") == kind("b", 1, {}, "s")
    assert dataclasses.asdict(made) == {"name": "a", "size": 1, "notes": {"k": [1]}, "secret": "s"}
    assert [each.name for each in dataclasses.fields(kind)] == ["name", "size", "notes", "secret"]
    match made:
        case kind(name, size):
            assert (name, size) == ("a", 1)


def test_a_value_of_one_field_is_a_value_too():
    @dataclass(frozen=True, slots=True)
    class One:
        """One."""

        one: object

    assert One(1) == One(1) != One(2)
    assert hash(One(1)) == hash(One(1))


def test_fields_of_any_name_are_told_apart():
    @dataclass(frozen=True, slots=True)
    class Named:
        """Names that a constructor could use itself."""

        x: int
        set_x: int = 2
        make_x: list = field(default_factory=list)
        MISSING: int = 4

    made = Named(1)
    assert (made.x, made.set_x, made.make_x, made.MISSING) == (1, 2, [], 4)


def test_what_a_class_says_itself_holds():
    @dataclass(frozen=True, slots=True)
    class Quiet:
        """Says little."""

        one: int

        def __repr__(self) -> str:
            return "quiet"

    assert repr(Quiet(1)) == "quiet"


def test_what_it_cannot_do_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match="is frozen and has slots"):
        dataclass(frozen=False, slots=True)
    with pytest.raises(TypeError, match="has a base"):
        dataclass(frozen=True, slots=True)(type("Child", (Ours,), {}))
