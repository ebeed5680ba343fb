"""One small API, for the frameworks that describe themselves."""

import sys


def described(framework: str) -> str:
    """Its description in JSON, or its schema in GraphQL."""
    import json

    if framework == "fastapi":
        from fastapi import FastAPI

        app = FastAPI(title="Shop", version="1.2")
        app.get("/items")(lambda: [])
        return json.dumps(app.openapi(), indent=1)
    if framework == "graphene":
        import graphene

        query = type("Query", (graphene.ObjectType,), {"item": graphene.String(name=graphene.String())})
        return str(graphene.Schema(query=query))
    from ariadne import make_executable_schema
    from graphql import print_schema

    return print_schema(make_executable_schema('"A shop"\ntype Query { item(name: String = "pear"): String }'))


if __name__ == "__main__":
    sys.stdout.write(described(sys.argv[1]))
