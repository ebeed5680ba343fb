"""Descriptions of APIs: OpenAPI and AsyncAPI in YAML as JSON, and what a GraphQL schema defines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from avouch import errors
from avouch.materials.projections import pieces


def described(content: bytes) -> bytes:
    """The document: as it is where it is JSON."""
    from avouch.materials.readers import apis, yamls  # lazy: 10 ms, for descriptions of APIs only

    return content if apis.is_json(content) else pieces.encoded(pieces.text(yamls.load(content)))


def schema(content: bytes) -> bytes:
    """`types` with their fields, `directives` that are defined, and the root types as `schema`."""
    import graphql  # lazy: 60 ms with the reader, for schemas only

    from avouch.materials.readers import graphqls

    counted = pieces.Counted()
    types: list[str] = []
    directives: list[str] = []
    roots: dict[str, str] = {}
    try:
        for one in graphqls.definitions(content):
            if isinstance(one, graphql.DirectiveDefinitionNode):
                directives.append(counted.piece(_directive(one)))
            elif isinstance(one, (graphql.SchemaDefinitionNode, graphql.SchemaExtensionNode)):
                roots |= {each.operation.value: each.type.name.value for each in one.operation_types or ()}
            else:
                types.append(counted.piece(dict(_type(one))))
    except RecursionError as exc:
        raise errors.TooLarge("nested too deeply for policies", fix="flatten the schema") from exc
    made = pieces.with_lists(counted.piece({"schema": roots}), types=types, directives=directives)
    return pieces.encoded(made)


def _directive(one: Any) -> Mapping[str, Any]:
    return {
        "name": one.name.value,
        "locations": [each.value for each in one.locations],
        "arguments": [dict(_value(each)) for each in one.arguments or ()],
    }


def _type(one: Any) -> Iterator[tuple[str, Any]]:
    kind, _, extends = one.kind.partition("_type_")
    yield "name", one.name.value
    yield "kind", kind.upper()
    yield "extension", extends == "extension"
    yield "directives", _applied(one)
    for name, found in (("interfaces", "interfaces"), ("members", "types")):
        if hasattr(one, found):
            yield name, [each.name.value for each in getattr(one, found) or ()]
    if hasattr(one, "values"):
        yield "values", [{"name": each.name.value, "directives": _applied(each)} for each in one.values or ()]
    if hasattr(one, "fields"):
        yield "fields", [dict(_value(each)) for each in one.fields or ()]


def _value(one: Any) -> Iterator[tuple[str, Any]]:
    """A field, an argument or an input."""
    yield "name", one.name.value
    yield "type", _written(one.type)
    yield "directives", _applied(one)
    if hasattr(one, "arguments"):
        yield "arguments", [dict(_value(each)) for each in one.arguments or ()]


def _written(one: Any) -> str:
    """A type as it is written, such as [String!]."""
    before, after = "", ""
    while one.kind != "named_type":
        before, after = (before, f"!{after}") if one.kind == "non_null_type" else (f"{before}[", f"]{after}")
        one = one.type
    return f"{before}{one.name.value}{after}"


def _applied(one: Any) -> list[Mapping[str, Any]]:
    return [{"name": each.name.value, "arguments": _given(each.arguments)} for each in one.directives or ()]


def _given(arguments: Iterable[Any]) -> Mapping[str, Any]:
    import graphql  # lazy: as above

    return {each.name.value: graphql.value_from_ast_untyped(each.value) for each in arguments or ()}
