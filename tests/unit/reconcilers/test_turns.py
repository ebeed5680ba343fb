"""Few do something costly at once, and nobody twice."""

from avouch.reconcilers import turns


def test_a_namespace_has_one_turn_at_a_time() -> None:
    of = turns.Turns(3)
    with of.of("team") as first, of.of("team") as second, of.of("other") as third:
        assert (first, second, third) == (True, False, True)
    with of.of("team") as again:
        assert again


def test_there_are_as_many_turns_as_it_says() -> None:
    of = turns.Turns(1)
    with of.of("team") as first:
        with of.of("other") as second:
            assert (first, second) == (True, False)
        with of.of("third") as still:
            assert not still


def test_what_fails_gives_its_turn_back() -> None:
    of = turns.Turns(1)
    try:
        with of.of("team"):
            raise LookupError
    except LookupError:
        pass
    with of.of("other") as turn:
        assert turn
