"""GraphQL schemas, with the parser of graphql-core."""

from collections.abc import Sequence

import graphql

from avouch import errors
from avouch.materials.readers import document

TOKENS = 300_000  # some seconds of parsing; a schema of 100,000 fields
_PREFIX = f"{document.PREFIX}graphql."
_FIX = "deliver the schema in GraphQL's definition language"


def read(content: bytes) -> document.Document:
    """Type definitions only, nothing that could be executed."""
    found = definitions(content)
    types = sum(graphql.is_type_definition_node(each) for each in found)
    names = sorted(each.name.value for each in found if isinstance(each, graphql.DirectiveDefinitionNode))
    return document.understood(((f"{_PREFIX}type_count", types or "0"), (f"{_PREFIX}directives", ",".join(names))))


def definitions(content: bytes) -> Sequence[graphql.DefinitionNode]:
    """What a schema defines and extends. Raises errors.Invalid: it is none; errors.TooLarge."""
    try:
        found = graphql.parse(content.decode("utf-8-sig"), no_location=True, max_tokens=TOKENS)
    except (graphql.GraphQLError, UnicodeDecodeError) as exc:
        raise errors.Invalid(f"not a GraphQL schema: {str(exc).splitlines()[0]}", fix=_FIX) from exc
    except RecursionError as exc:
        raise errors.TooLarge("not a GraphQL schema: nested too deeply", fix=_FIX) from exc
    if not all(
        graphql.is_type_system_definition_node(each) or graphql.is_type_system_extension_node(each)
        for each in found.definitions
    ):
        raise errors.Invalid("not a GraphQL schema: it holds an operation or a fragment", fix=_FIX)
    return found.definitions
