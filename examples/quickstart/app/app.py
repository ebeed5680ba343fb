"""The application of the example."""


def greet(name: str) -> str:
    """Greet somebody."""
    return f"hello, {name}"
