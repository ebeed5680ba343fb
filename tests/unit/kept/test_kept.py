"""Answers that hold for a while."""

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
