"""The kinds that a contract is made of as a GraphQL schema, from avouch's own models."""

import strawberry
from strawberry.directive import DirectiveLocation


@strawberry.type
class Material:
    name: str
    type: str
    optional: bool = False


@strawberry.type
class Query:
    @strawberry.field
    def materials(self, contract: strawberry.ID) -> list[Material]:
        return []


@strawberry.directive(locations=[DirectiveLocation.FIELD])
def shortened(value: str) -> str:
    return value[:8]


schema = strawberry.Schema(query=Query, directives=[shortened])
