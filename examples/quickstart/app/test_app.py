from app import greet


def test_it_greets_by_name() -> None:
    assert greet("world") == "hello, world"


def test_it_greets_anybody() -> None:
    assert greet("") == "hello, "
