"""The functions that Chainloop adds to Rego: those that make sense without its platform; and `http.send` of our own.

A script that calls another of them is refused with the function's name, by OPA's own compiler.
"""

from typing import Any

from avouch.opa import gateway
from avouch.policy import rego

_TEXT = {"type": "string"}
DECLARATIONS: tuple[dict[str, Any], ...] = (
    {
        "name": "chainloop.vulnerability",
        "decl": {"type": "function", "args": [_TEXT] * 4, "result": {"type": "object", "dynamic": {
            "key": _TEXT, "value": {"type": "any"}}}},
    },
)  # fmt: skip
"""What `opa check` is told of them, as its file of capabilities writes it."""

_CHAINLOOP = f"""\
package {rego.LIBRARY}.chainloop

vulnerability(message, external_id, package_purl, severity) := {{
    "message": message,
    "external_id": external_id,
    "package_purl": package_purl,
    "severity": severity,
}}
"""

SOURCES = {"library": _CHAINLOOP, "library-http": gateway.SOURCE}
"""What an engine holds before the first script, by the names that it has there."""

DECLARED = {"chainloop.rego": _CHAINLOOP, "http.rego": gateway.DECLARED}
"""What a compiler has to know of them, by names of files."""
