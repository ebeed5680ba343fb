"""What is kept in memory, and what makes room."""

from avouch import kept


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_holds_for_its_time_and_not_beyond() -> None:
    clock = Clock()
    answers: kept.Kept[str, int] = kept.Kept(2, clock)
    answers.keep("a", 1, 10)
    answers.keep("b", 2, 2)
    clock.now = 2
    assert (answers.recall("a"), answers.recall("b")) == (1, None)
    clock.now = 10
    assert answers.recall("a") is None
    clock.now = 0  # what was over is gone
    assert answers.recall("a") is None


def test_the_oldest_answer_makes_room_and_one_that_is_given_again_is_the_newest() -> None:
    answers: kept.Kept[str, int] = kept.Kept(2, Clock())
    answers.keep("a", 1, 10)
    answers.keep("b", 2, 10)
    answers.keep("a", 3, 10)
    answers.keep("c", 4, 10)
    assert [answers.recall(key) for key in "abc"] == [3, None, 4]


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    values: kept.Bounded[str, int] = kept.Bounded(10)
    values.keep("a", 1, 4)
    values.keep("b", 2, 4)
    assert values.recall("a") == 1
    values.keep("c", 3, 4)
    assert [values.recall(key) for key in "abc"] == [1, None, 3]


def test_a_value_that_is_too_large_is_not_kept_and_pushes_nothing_out() -> None:
    values: kept.Bounded[str, int] = kept.Bounded(10)
    values.keep("a", 1, 10)
    values.keep("b", 2, 11)
    assert [values.recall(key) for key in "ab"] == [1, None]
    values.keep("a", 3, 11)
    assert values.recall("a") is None


def test_a_value_that_is_given_again_takes_its_room_once() -> None:
    values: kept.Bounded[str, int] = kept.Bounded(10)
    for value in range(20):
        values.keep("a", value, 5)
    values.keep("b", 2, 5)
    assert [values.recall(key) for key in "ab"] == [19, 2]
