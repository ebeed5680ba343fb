"""Faults that change nothing anybody could see: module below operator/avouch and name of the fault, and the reason."""

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "contract/planning.py",
        "unknown_materials: mapped -> True",
    ): "spares reading the contract; nothing is looked up in it",
    ("sidecar/files.py", "_open: directory >= 0 -> Gt"): "descriptor 0 is the standard input",
    (
        "sidecar/push.py",
        "Client._json: raise errors.Unavailable(f'{method} {path}: no try left') -> pass",
    ): "the last try raised before",
    ("tekton/limits.py", "_lowered: each >= enough -> Gt"): "what is enough is tried next anyway",
}
