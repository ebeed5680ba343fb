"""Reading parsed JSON into types: each error names the expected type and the place."""

from collections.abc import Mapping

from avouch import errors

Object = Mapping[str, object]


def mapping(value: object, field: str) -> dict[str, object]:
    """A JSON object.

    Raises:
        Invalid: anything else.
    """
    if not isinstance(value, dict):
        raise errors.Invalid("must be an object", field=field)
    return value


def sequence(value: object, field: str) -> list[object]:
    """A JSON array.

    Raises:
        Invalid: anything else.
    """
    if not isinstance(value, list):
        raise errors.Invalid("must be a list", field=field)
    return value


def text(value: object, field: str) -> str:
    """A JSON string.

    Raises:
        Invalid: anything else, null included.
    """
    if not isinstance(value, str):
        raise errors.Invalid("must be text", field=field)
    return value


def optional_text(value: object, field: str) -> str:
    """A JSON string, or empty text where it is absent or null.

    Raises:
        Invalid: any other type.
    """
    return "" if value is None else text(value, field)


def optional_flag(value: object, field: str) -> bool:
    """A JSON boolean, or False where it is absent or null.

    Raises:
        Invalid: any other type.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise errors.Invalid("must be true or false", field=field)


def texts(value: object, field: str) -> dict[str, str]:
    """A JSON object whose values are all strings; empty where it is absent or null.

    Raises:
        Invalid: any other type, inside or outside.
    """
    if value is None:
        return {}
    return {key: text(item, f"{field}.{key}") for key, item in mapping(value, field).items()}
