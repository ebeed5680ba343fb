"""WorkflowRun teaches: `kubectl explain` has a sentence for each of its fields."""

import msgspec

from avouch.api import workflowrun


def test_every_field_is_explained() -> None:
    _, schemas = msgspec.json.schema_components([workflowrun.WorkflowRun])
    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, told in schema.get("properties", {}).items()
        if not told.get("description") and field not in ("apiVersion", "kind", "metadata")
    ]
    assert silent == []
