"""Chainloop's own kinds of evidence: checked by names and types of fields, those of all its releases.

Its schemas kept their numbers while fields came and went: a configuration of one release has `captured_at` and
`schema_version`, that of the next has neither. Their schemas are not included here.
"""

from collections.abc import Iterator
from typing import Any

from avouch import errors
from avouch.materials.readers import document, jsons, shapes

_ID = f"{document.PREFIX}evidence.id"
_SCHEMA = f"{document.PREFIX}evidence.schema"
_AGENT = f"{document.PREFIX}aiagent.name"
_MODEL = f"{document.PREFIX}aiagent.model"

_META = shapes.Shape({"id": str}, {"generated_at": str, "errors": list}, closed=False)
_CONTEXT = shapes.Shape({}, {"tool": str, "provider": str, "repos": list}, closed=False)
_PR = shapes.Shape(
    {"platform": str, "type": str, "number": str, "url": str},
    {"title": str, "description": str, "source_branch": str, "target_branch": str, "author": (dict, str),
     "reviewers": list},
    closed=False,  # newer versions of the schema add fields
)  # fmt: skip
_PR_TYPES = {"github": "pull_request", "gitlab": "merge_request"}
_PERSON = shapes.Shape({"login": str, "type": str}, closed=False)
_NAMED = shapes.Shape({"name": str}, {"version": str})
_CONFIG = shapes.Shape(
    {"agent": dict, "config_hash": str, "config_files": list},
    {"schema_version": str, "captured_at": str, "git_context": dict, "permissions": shapes.ANY,
     "mcp_servers": shapes.ANY, "subagents": shapes.ANY},
)  # fmt: skip
_FILE = shapes.Shape({"path": str, "sha256": str, "size": int, "content": str}, {"kind": str}, empty=("content",))
_FILE_KINDS = frozenset({"configuration", "instruction", "skill", "agent"})
_GIT = shapes.Shape({}, {"repository": str, "branch": str, "commit_sha": str})
_CODING = shapes.Shape(
    {"schema_version": str, "agent": dict, "session": dict},
    {"spec": list, "git_context": dict, "code_changes": dict, "model": dict, "usage": dict, "tools_used": dict,
     "conversation": dict, "subagents": list, "raw_session": dict, "warnings": list},
)  # fmt: skip
_SESSION = shapes.Shape(
    {"id": str, "started_at": str, "duration_seconds": int}, {"slug": str, "mode": str, "ended_at": str}
)


def evidence(content: bytes) -> document.Document:
    """Any file. JSON with a kind and data yields its kind and schema; all other content is accepted, too."""
    try:
        found = jsons.load(content) if content.lstrip().startswith(b"{") else None
    except errors.Invalid:  # not an envelope: no JSON, which evidence need not be
        return document.Document()
    identity = jsons.text(found, _ID) or jsons.text(found, "id")
    if not identity or jsons.at(found, "data") is None:
        return document.Document()
    return document.understood(((_ID, identity), (_SCHEMA, jsons.text(found, "schema"))))


def runner_context(content: bytes) -> document.Document:
    """Which runner, and how its repositories are protected: meta and data."""
    fix = "deliver the runner context as Chainloop's discovery wrote it"
    found = jsons.mapping(content)
    shapes.check(found, shapes.Shape({"meta": dict, "data": dict}), "the runner context", fix)
    shapes.check(found["meta"], _META, "meta", fix)
    shapes.check(found["data"], _CONTEXT, "data", fix)
    return document.understood()


def pr_info(content: bytes) -> document.Document:
    """A pull or merge request. The author is an object, or a text as in older versions."""
    fix = "deliver what attestation init recorded of the pull or merge request"
    found = _envelope(content, "CHAINLOOP_PR_INFO", fix)
    data = found["data"]
    shapes.check(data, _PR, "data", fix)
    if _PR_TYPES.get(data["platform"]) != data["type"]:
        message = f"data.platform {document.shown(data['platform'])} has no {document.shown(data['type'])}"
        raise errors.Invalid(message, fix=fix)
    for person in (data.get("author"), *data.get("reviewers", ())):
        if person is not None and not isinstance(person, str):
            shapes.check(person, _PERSON, "an author or reviewer", fix)
    return document.understood(((_ID, "CHAINLOOP_PR_INFO"), (_SCHEMA, jsons.text(found, "schema"))))


def agent_config(content: bytes) -> document.Document:
    """The configuration of an AI agent: the agent, and its files with their digests."""
    fix = "deliver the configuration as the aiconfig collector wrote it"
    data = _envelope(content, "CHAINLOOP_AI_AGENT_CONFIG", fix)["data"]
    shapes.check(data, _CONFIG, "data", fix)
    shapes.check(data["agent"], _NAMED, "data.agent", fix)
    for file in data["config_files"]:
        shapes.check(file, _FILE, "a file of data.config_files", fix)
        if file.get("kind", "configuration") not in _FILE_KINDS:
            raise errors.Invalid(f"a file of data.config_files has the kind {document.shown(file['kind'])}", fix=fix)
        if file["size"] < 0:
            raise errors.Invalid("the size of a file of data.config_files is negative", fix=fix)
    if "git_context" in data:
        shapes.check(data["git_context"], _GIT, "data.git_context", fix)
    return document.understood(((_AGENT, data["agent"]["name"]),))


def coding_session(content: bytes) -> document.Document:
    """A coding session with an AI agent: the agent and the session's identity and time."""
    fix = "deliver the session as chainloop trace wrote it"
    data = _envelope(content, "CHAINLOOP_AI_CODING_SESSION", fix)["data"]
    shapes.check(data, _CODING, "data", fix)
    shapes.check(data["agent"], _NAMED, "data.agent", fix)
    shapes.check(data["session"], _SESSION, "data.session", fix)
    if data["session"]["duration_seconds"] < 0:
        raise errors.Invalid("data.session.duration_seconds is negative", fix=fix)
    return document.understood(_session_annotations(data))


def _session_annotations(data: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield _AGENT, data["agent"]["name"]
    yield _MODEL, jsons.text(data, "model", "primary")


def _envelope(content: bytes, kind: str, fix: str) -> dict[str, Any]:
    found = jsons.mapping(content)
    said = found.get(_ID, found.get("id"))
    if said != kind:
        raise errors.Invalid(f"{_ID} is {document.shown(said)}, not {kind}", fix=fix)
    if not isinstance(found.get("data"), dict):
        raise errors.Invalid("the evidence has no data", fix=fix)
    return found
