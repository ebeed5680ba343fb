"""Why a file or value is no evidence: the one table of causes, and what helps against each of them.

A sidecar signs the cause with its claim (`predicate.CAUSE`); the judge makes the fix of the finding of it. So a cause
is never renamed: claims of older sidecars name it. Standard library only. `docs/reference/findings.md` lists the table.
"""

from collections.abc import Iterator
from typing import NamedTuple

from avouch import errors


class Cause(NamedTuple):
    """Definition of a cause."""

    meaning: str
    fix: str  # with {task}, {file}, {workspace} and {material}; "" where the message itself says what helps
    absent: bool = False  # nothing is there, so the word of a pod that has it is not contradicted


CAUSES: dict[str, Cause] = {
    "Absent": Cause("The file is not there.", "let {task} write {file}", absent=True),
    "WorkspaceUnbound": Cause(
        "The run does not bind the workspace.",
        "bind workspace {workspace} in the run, or make {material} optional in the contract",
        absent=True,
    ),
    "WorkspaceNotMounted": Cause("The workspace is of a kind that is never mounted into the sidecar.", ""),
    "PathUnresolved": Cause("The path names a param that the TaskRun does not have, or that makes no path.", ""),
    "Empty": Cause("The file is empty.", "let {task} write something into {file}, or no file at all"),
    "Folder": Cause(
        "There is a folder in place of the file.",
        "let {task} pack the folder into one file (tar -czf), and name that file in the Workflow's "
        "spec.tekton.materials",
    ),
    "Link": Cause(
        "The file, or a folder on the way to it, is a symbolic link.",
        "let {task} write {file} itself where the link is (cp -L follows a link)",
    ),
    "Special": Cause(
        "There is a pipe, a socket or a device in place of the file.", "let {task} write a regular file {file}"
    ),
    "Unreadable": Cause(
        "The sidecar, which runs as another user, may not read the file or open a folder on the way.",
        "let {task} make {file} readable for everybody: umask 022 before it writes, or chmod a+rX afterwards; or give "
        "all of its steps one runAsUser other than 0, which the sidecar then runs as",
    ),
    "Changed": Cause(
        "The file changed while it was read or sent.",
        "let {task} end whatever writes {file} before its last step ends",
    ),
    "TooLarge": Cause("The file is larger than the sidecar collects.", "let {task} write a smaller {file}, or several"),
    "Ambiguous": Cause(
        "Several files have the name of the material.",
        "name the file of {material} in the Workflow's spec.tekton.materials",
    ),
    "ServerRefused": Cause("The server refused the file, because of its size or of a quota.", ""),
    "Unusable": Cause("The value is not what the material's type asks for.", ""),
}
GENERAL = "let {task} write one regular file, and do not change it after the last step"


def of(error: errors.AvouchError) -> str:
    """The cause of an error that kept a file or value from being evidence."""
    if isinstance(error, errors.Refused):
        return error.cause
    if isinstance(error, errors.NotFound):
        return "Absent"
    if isinstance(error, errors.TooLarge):
        return "TooLarge"
    return "ServerRefused" if isinstance(error, errors.Denied) else "Unusable"


def is_absence(cause: str) -> bool:
    """Whether the cause says that nothing is there. A cause that this version does not know says so of nothing."""
    known = CAUSES.get(cause)
    return known is not None and known.absent


def fix(cause: str, said: str, **names: str) -> str:
    """What helps: what the cause's row says of these names, else what came with the refusal, else the general rule.

    >>> fix("Empty", "", task="task build", file="bom.json")
    'let task build write something into bom.json, or no file at all'
    """
    known = CAUSES.get(cause)
    text = (known.fix if known is not None else "") or said.replace("{", "{{").replace("}", "}}") or GENERAL
    return text.format(**names)


def markdown() -> Iterator[str]:
    """The table of causes."""
    yield from ("| cause | meaning | fix |", "|---|---|---|")
    for name, cause in CAUSES.items():
        shown = cause.fix.format(task="the task", file="the file", workspace="it", material="the material")
        helps = f"{shown[0].upper()}{shown[1:]}." if shown else "The finding says it."
        yield f"| `{name}` | {cause.meaning} | {helps} |"
