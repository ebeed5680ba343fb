"""Why somebody asks for something of a run: {"spec": {"reason"}}, which is kept. Pure."""

from avouch import errors, storable
from avouch.attestation import strictjson

MAX_BODY = 8192  # bytes
MOST = 1000  # characters


def of(body: bytes, what: str, command: str) -> str:
    """The reason in the body of a request. `what` needs one, as `command` has it said. Raises errors.Invalid."""
    found = strictjson.loads(body, max_bytes=MAX_BODY)
    said = found.get("spec") if isinstance(found, dict) else None
    reason = said.get("reason") if isinstance(said, dict) else None
    if not isinstance(reason, str) or not reason.strip():
        fix = f"say it: kubectl avouch run {command} NAME --reason TEXT"
        raise errors.Invalid(f"{what} for a reason, which is kept", field="spec.reason", fix=fix)
    if len(reason) > MOST:
        raise errors.TooLarge(f"over {MOST} characters", field="spec.reason", fix="say it shorter")
    return storable.text(reason.strip())
