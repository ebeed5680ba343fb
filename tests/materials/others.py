"""Descriptions of APIs, signed statements, Chainloop's own evidence, text reports, values."""

import base64
import gzip
from typing import Any

from tests.materials import packing
from tests.materials.cases import Bad, Good, P, hostile_json, j, tool

WHEN = "2026-01-01T00:00:00Z"
_API = {f"{P}api.name": "Shop", f"{P}api.version": "1.2"}
_INFO = {"title": "Shop", "version": "1.2"}


def _spec(version: str) -> dict[str, str]:
    return _API | {f"{P}api.spec_version": version}


_OPENAPI: dict[str, Any] = {"openapi": "3.1.0", "info": _INFO, "paths": {}}
_YAML = b"""openapi: 3.0.3
info: &info {title: Shop, version: "1.2"}
paths:
  /buy:
    get:
      responses:
        200: {description: bought on 2026-01-01}
"""
_BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n".encode() for n in range(8)
)


def _hostile_yaml(first: bytes) -> tuple[Bad, ...]:
    return (
        Bad("bad-bomb.yaml", first + _BOMB, "it expands to more than"),
        Bad("bad-circle.yaml", first + b"a: &a [*a]\n", "no complete anchor"),
        Bad("bad-key-twice.yaml", first + b"a: 1\na: 2\n", "is in one mapping twice"),
        Bad("bad-deep.yaml", first + b"a: " + b"[" * 300, "nested too deeply"),
        Bad("bad-syntax.yaml", first + b"a: [\n", "not YAML"),
        Bad("bad-tag.yaml", first + b"a: !!python/object:os.system {}\n", "not YAML"),
        Bad("bad-nul.yaml", first + b"a: \0\n", "not YAML"),
    )


OPENAPI = (
    Good("good-3.1.json", j(_OPENAPI), _spec("3.1.0")),
    Good("good-3.0.yaml", _YAML, _spec("3.0.3")),
    Good("good-3.2.json", j(_OPENAPI | {"openapi": "3.2.0"}), _spec("3.2.0")),
    Good(
        "good-folded.yaml",
        b'openapi: 3.0.3\ninfo:\n  title: >\n    Shop\n  version: "1.2"\npaths: {}\n',
        _spec("3.0.3"),
        noted="api.name is recorded without",
    ),
    Good("good-2.0.json", j({"swagger": "2.0", "info": _INFO, "paths": {}}), _spec("2.0")),
    Bad("bad-version.json", j(_OPENAPI | {"openapi": "4.0.0"}), "version '4.0.0' is not one of"),
    Bad("bad-number.json", j(_OPENAPI | {"openapi": 3.1}), "version '' is not one of"),
    Bad("bad-info.json", j(_OPENAPI | {"info": {}}), '"title" is a required property'),
    Bad("bad-text.yaml", b"just text\n", "its root is not a mapping"),
    *_hostile_yaml(b"openapi: 3.1.0\n"),
    *hostile_json(j(_OPENAPI)),
)
_ASYNC_26 = {
    "asyncapi": "2.6.0",
    "info": _INFO,
    "servers": {"b": {"url": "b.example.com", "protocol": "kafka"}, "a": {"url": "x", "protocol": "amqp"}},
    "channels": {},
}
ASYNCAPI = (
    Good("good-2.6.json", j(_ASYNC_26), _spec("2.6.0") | {f"{P}api.protocol": "kafka"}),
    Good("good-3.0.yaml", b'asyncapi: 3.0.0\ninfo: {title: Shop, version: "1.2"}\n', _spec("3.0.0")),
    Good("good-3.1.yaml", b'asyncapi: 3.1.0\ninfo: {title: Shop, version: "1.2"}\n', _spec("3.1.0")),
    Bad("bad-version.json", j(_ASYNC_26 | {"asyncapi": "1.2.0"}), "version '1.2.0' is not one of"),
    Bad("bad-no-channels.json", j({"asyncapi": "2.6.0", "info": _INFO}), '"channels" is a required property'),
    Bad("bad-openapi.yaml", _YAML, "version '' is not one of"),
    *_hostile_yaml(b"asyncapi: 3.0.0\n"),
    *hostile_json(j(_ASYNC_26)),
)
_SDL = b"""directive @key(fields: String!) on OBJECT
directive @auth on OBJECT
type Query { shop: Shop }
type Shop @auth { name: String }
extend type Shop { open: Boolean }
"""
GRAPHQL = (
    Good("good.graphql", _SDL, {f"{P}graphql.type_count": "2", f"{P}graphql.directives": "auth,key"}),
    Good("good-extension.graphql", b"extend type Shop { x: Int }\n", {f"{P}graphql.type_count": "0"}),
    Bad("bad-query.graphql", b"{ shop { name } }\n", "an operation or a fragment"),
    Bad("bad-syntax.graphql", b"type Shop {", "not a GraphQL schema: Syntax Error"),
    Bad("bad-deep.graphql", b"type A { a: " + b"[" * 5000, "not a GraphQL schema"),
    Bad("bad-bytes.graphql", b"type \xff", "not a GraphQL schema"),
    Bad("bad-nul.graphql", b"type A { a: \0 }", "not a GraphQL schema"),
)


def _envelope(predicate: str, found: dict[str, Any], **more: Any) -> dict[str, Any]:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "shop", "digest": {"sha256": "ab" * 32}}],
        "predicateType": predicate,
        "predicate": found,
        **more,
    }
    return {
        "payloadType": "application/vnd.in-toto+json",
        "payload": base64.b64encode(j(statement)).decode(),
        "signatures": [{"sig": "AAAA"}],
    }


def _bundle(envelope: dict[str, Any]) -> dict[str, Any]:
    return {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": envelope}


_SLSA = "https://slsa.dev/provenance/v1"
_BUILT = {
    "buildDefinition": {"buildType": "https://example.com/build", "externalParameters": {}},
    "runDetails": {"builder": {"id": "https://example.com/builder"}},
}
_PROVENANCE = _envelope(_SLSA, _BUILT)
SLSA = (
    Good("good.json", j(_bundle(_PROVENANCE))),
    Bad("bad-bare-envelope.json", j(_PROVENANCE), "not a Sigstore bundle"),
    Bad("bad-predicate.json", j(_bundle(_envelope("https://slsa.dev/provenance/v0.2", {}))), "the predicateType is"),
    Bad("bad-no-builder.json", j(_bundle(_envelope(_SLSA, _BUILT | {"runDetails": {}}))), "builder.id is missing"),
    Bad("bad-no-parameters.json", j(_bundle(_envelope(_SLSA, {"buildDefinition": {"buildType": "x"}}))), "externalP"),
    Bad("bad-base64.json", j(_bundle(_PROVENANCE | {"payload": "***"})), "the payload is not base64"),
    Bad("bad-unsigned.json", j(_bundle(_PROVENANCE | {"signatures": []})), "the envelope has no signature"),
    *hostile_json(j(_bundle(_PROVENANCE))),
)
_CHAINLOOP = "chainloop.dev/attestation/v0.2"
_ATTESTATION = _envelope(_CHAINLOOP, {"materials": []})
ATTESTATION = (
    Good("good-envelope.json", j(_ATTESTATION)),
    Good("good-bundle.json", j(_bundle(_ATTESTATION))),
    Bad("bad-predicate.json", j(_PROVENANCE), "the predicateType is"),
    Bad("bad-payload-type.json", j(_ATTESTATION | {"payloadType": "text/plain"}), "the payloadType is 'text/plain'"),
    Bad("bad-no-subject.json", j(_envelope(_CHAINLOOP, {}, subject=[])), "the statement needs subjects"),
    Bad("bad-statement.json", j(_envelope(_CHAINLOOP, {}, _type="x")), "not an in-toto statement"),
    *hostile_json(j(_ATTESTATION)),
)


def _evidence(kind: str, data: Any) -> dict[str, Any]:
    return {f"{P}evidence.id": kind, "schema": f"https://example.com/{kind}", "data": data}


_CONTEXT = {"meta": {"id": "runner-context-0.1"}, "data": {"tool": "discovery@1", "provider": "github", "repos": []}}
RUNNER_CONTEXT = (
    Good("good.json", j(_CONTEXT)),
    Bad("bad-no-meta.json", j({"data": {}}), "the runner context has no meta"),
    Bad("bad-no-data.json", j({"meta": {"id": "x"}}), "the runner context has no data"),
    Bad("bad-meta.json", j({"meta": {}, "data": {}}), "meta has no id"),
    Bad("bad-repos.json", j(_CONTEXT | {"data": {"repos": "x"}}), "data.repos is of the wrong JSON type"),
    *hostile_json(j(_CONTEXT)),
)
_PR = {
    "platform": "github",
    "type": "pull_request",
    "number": "12",
    "url": "https://example.com/12",
    "author": {"login": "ada", "type": "User"},
    "reviewers": [{"login": "bob", "type": "User", "requested": True}],
}
_PR_NOTES = {f"{P}evidence.id": "CHAINLOOP_PR_INFO", f"{P}evidence.schema": "https://example.com/CHAINLOOP_PR_INFO"}
PR_INFO = (
    Good("good.json", j(_evidence("CHAINLOOP_PR_INFO", _PR)), _PR_NOTES, "ARTIFACT"),
    Good("good-author.json", j(_evidence("CHAINLOOP_PR_INFO", _PR | {"author": "ada"})), _PR_NOTES, "ARTIFACT"),
    Bad("bad-id.json", j(_evidence("OTHER", _PR)), "evidence.id is 'OTHER'"),
    Bad("bad-no-id.json", j({"data": _PR}), "evidence.id is 'None'"),
    Bad("bad-title.json", j(_evidence("CHAINLOOP_PR_INFO", _PR | {"title": None})), "data.title is of the wrong"),
    Bad("bad-type.json", j(_evidence("CHAINLOOP_PR_INFO", _PR | {"type": "merge_request"})), "has no 'merge_request'"),
    Bad("bad-number.json", j(_evidence("CHAINLOOP_PR_INFO", _PR | {"number": 12})), "data.number is of the wrong"),
    Bad("bad-author.json", j(_evidence("CHAINLOOP_PR_INFO", _PR | {"author": {}})), "has no login"),
    *hostile_json(j(_evidence("CHAINLOOP_PR_INFO", _PR))),
)
_AGENT = {
    "agent": {"name": "assistant", "version": "1"},
    "config_hash": "ab" * 32,
    "git_context": {"repository": "https://example.com/shop", "branch": "main", "commit_sha": "ab" * 20},
    "config_files": [{"path": "A.md", "kind": "instruction", "sha256": "ab" * 32, "size": 1, "content": "eA=="}],
}
_CONFIG = "CHAINLOOP_AI_AGENT_CONFIG"


def _agent_file(**more: Any) -> dict[str, Any]:
    return {"path": "A.md", "kind": "skill", "sha256": "ab" * 32, "size": 0, "content": "", **more}


AGENT_CONFIG = (
    Good("good.json", j(_evidence(_CONFIG, _AGENT)), {f"{P}aiagent.name": "assistant"}),
    Good(
        "good-earlier.json",
        j(_evidence(_CONFIG, _AGENT | {"schema_version": "0.1", "captured_at": WHEN})),
        {f"{P}aiagent.name": "assistant"},
    ),
    Good("good-no-files.json", j(_evidence(_CONFIG, _AGENT | {"config_files": []})), {f"{P}aiagent.name": "assistant"}),
    Bad("bad-kind.json", j(_evidence(_CONFIG, _AGENT | {"config_files": [_agent_file(kind="x")]})), "has the kind 'x'"),
    Bad("bad-content.json", j(_evidence(_CONFIG, _AGENT | {"config_files": [_agent_file(content=None)]})), "content"),
    Bad("bad-git.json", j(_evidence(_CONFIG, _AGENT | {"git_context": {"tag": "v1"}})), "unknown field 'tag'"),
    Bad("bad-extra.json", j(_evidence(_CONFIG, _AGENT | {"more": 1})), "unknown field 'more'"),
    Bad("bad-no-agent.json", j(_evidence(_CONFIG, {"config_files": []})), "data has no agent"),
    Bad("bad-file.json", j(_evidence(_CONFIG, _AGENT | {"config_files": [{"path": "x"}]})), "has no sha256"),
    Bad("bad-list.json", j(_evidence(_CONFIG, [])), "the evidence has no data"),
    *hostile_json(j(_evidence(_CONFIG, _AGENT))),
)
_CODING = "CHAINLOOP_AI_CODING_SESSION"
_SESSION = {
    "schema_version": "v1",
    "agent": {"name": "assistant"},
    "session": {"id": "1", "started_at": WHEN, "duration_seconds": 100},
    "model": {"primary": "large-1"},
}
_LATE = _SESSION | {"session": {"id": "1", "started_at": WHEN, "duration_seconds": -1}}
CODING_SESSION = (
    Good(
        "good.json",
        j(_evidence(_CODING, _SESSION)),
        {f"{P}aiagent.name": "assistant", f"{P}aiagent.model": "large-1"},
    ),
    Bad("bad-extra.json", j(_evidence(_CODING, _SESSION | {"more": 1})), "unknown field 'more'"),
    Bad("bad-duration.json", j(_evidence(_CODING, _LATE)), "duration_seconds is negative"),
    Bad("bad-name.json", j(_evidence(_CODING, _SESSION | {"agent": {"name": ""}})), "data.agent.name is empty"),
    Bad("bad-id.json", j(_evidence(_CONFIG, _SESSION)), f"not {_CODING}"),
    *hostile_json(j(_evidence(_CODING, _SESSION))),
)
EVIDENCE = (
    Good("good.txt", b"signed off by Ada\n", detected="ARTIFACT"),
    Good(
        "good-envelope.json",
        j(_evidence("REVIEW", {"ok": True})),
        {f"{P}evidence.id": "REVIEW", f"{P}evidence.schema": "https://example.com/REVIEW"},
        "ARTIFACT",
    ),
    Good("good-legacy.json", b'{"id": "REVIEW", "data": {}}\n', {f"{P}evidence.id": "REVIEW"}, "ARTIFACT"),
    Good("good-broken.json", b'{"id": "REVIEW", "data": \n', detected="ARTIFACT"),
    Bad("bad-empty.txt", b"", "is empty"),
    Good(
        "good-nul.json",
        j(_evidence("REV\0IEW", {})),
        {f"{P}evidence.id": "REVIEW", f"{P}evidence.schema": "https://example.com/REV\0IEW".replace("\0", "")},
        "ARTIFACT",
        noted="evidence.id is recorded without",
    ),
    Good("good-long.json", j({"id": "x" * 2000, "data": {}}), {}, "ARTIFACT", noted="it would have 2000 characters"),
)
ARTIFACT = (
    Good("good.bin", bytes(range(256))),
    Good("good.json", b'{"anything": true}\n'),
    Bad("bad-empty.bin", b"", "is empty"),
)
STRING = (
    Good("good.txt", "h\u00e9llo".encode()),
    Good("good-control.txt", b"two\nlines\x1b[0m"),
    Bad("bad-empty.txt", b"", "is empty"),
    Bad("bad-bytes.txt", b"\xff\xfe", "not text in UTF-8"),
    Bad("bad-nul.txt", b"a\0b", "NUL character"),
    Bad("bad-long.txt", b"x" * (64 * 1024 + 1), "larger than 65536 bytes"),
)
IMAGE = (
    Good("good.txt", b"ghcr.io/shop/web:1.2@sha256:" + b"ab" * 32),
    Good("good-short.txt", b"nginx"),
    Bad("bad-empty.txt", b"", "is empty"),
    Bad("bad-upper.txt", b"ghcr.io/Shop/Web", "is not an image reference"),
    Bad("bad-digest.txt", b"nginx@sha256:abc", "is not an image reference"),
    Bad("bad-words.txt", b"rm -rf /", "is not an image reference"),
)
_CHART = b"apiVersion: v2\nname: shop\nversion: 1.2.3\n"
HELM = (
    Good("good.tgz", packing.tgz_of(("shop/Chart.yaml", _CHART), ("shop/values.yaml", b"a: 1\n"))),
    Good("good-empty-values.tgz", packing.tgz_of(("shop/values.yaml", b""), ("shop/Chart.yaml", _CHART))),
    Good("good-doubled-values.tgz", packing.tgz_of(("shop/Chart.yaml", _CHART), ("shop/values.yaml", b"a: 1\na: 2\n"))),
    Bad(
        "bad-values.tgz",
        packing.tgz_of(("s/Chart.yaml", _CHART), ("s/values.yaml", b"a: [")),
        "invalid values.yaml: not",
    ),
    Bad("bad-no-values.tgz", packing.tgz_of(("shop/Chart.yaml", _CHART)), "files in the helm chart: values.yaml"),
    Bad("bad-no-chart.tgz", packing.tgz_of(("shop/values.yaml", b"")), "missing required files"),
    Bad("bad-chart.tgz", packing.tgz_of(("s/Chart.yaml", b"a: ["), ("s/values.yaml", b"")), "not YAML"),
    Bad(
        "bad-name.tgz", packing.tgz_of(("s/Chart.yaml", b"a: 1"), ("s/values.yaml", b"")), "needs a name and a version"
    ),
    Bad(
        "bad-path.tgz",
        packing.tgz_of(("../Chart.yaml", _CHART), ("s/values.yaml", b"")),
        "is a path outside the archive",
    ),
    Bad("bad-no-tar.tgz", gzip.compress(b"text", 9, mtime=0), "neither a zip nor a tar"),
    Bad("bad-zip.tgz", packing.zip_of(("Chart.yaml", _CHART), ("values.yaml", b"")), "not a Helm chart"),
)
_SIGNED = '"Path","Verified","Publisher"\r\n"c:\\a.exe","Signed","Shop, Ltd"\r\n'
_SIGCHECK = tool("sigcheck", listed=False)
SIGCHECK = (
    Good("good.csv", _SIGNED.encode(), _SIGCHECK),
    Good("good-tabs.tsv", b"Path\tVerified\r\nc:\\a.exe\tUnsigned\r\n", _SIGCHECK),
    Good("good-header.csv", b"Path,Verified\r\n", _SIGCHECK),
    Good("good-utf16.csv", _SIGNED.encode("utf-16"), _SIGCHECK),
    Bad("bad-column.csv", b"Path,Publisher\r\n", "no column Verified"),
    Bad("bad-row.csv", b"Path,Verified\r\nc:\\a.exe\r\n", "a row has 1 fields"),
    Bad("bad-text.txt", b"No matching files were found.\r\n", "no column Path, Verified"),
    Bad("bad-quote.csv", b'Path,Verified\r\n"' + b"x" * 140_000, "field larger than"),
    Bad("bad-bytes.csv", b"Path,Verified\r\n\xff\r\n", "not text in UTF-8"),
)
_ACCESS = (
    "\r\nAccesschk v6.15 - Reports effective permissions\r\nc:\\x\r\n  RW BUILTIN\\Administrators\r\n  R  Everyone\r\n"
)
ACCESSCHK = (
    Good("good.txt", _ACCESS.encode(), tool("AccessChk", "6.15", listed=False), "ARTIFACT"),
    Good("good-no-banner.txt", b"c:\\x\n  R  Everyone\n", tool("AccessChk", listed=False), "ARTIFACT"),
    Good("good-descriptor.txt", b"c:\\x\n  OWNER: SYSTEM\n", tool("AccessChk", listed=False), "ARTIFACT"),
    Bad("bad-lone-line.txt", b"  RW x\n", "no banner, no access, no descriptor"),
    Bad("bad-text.txt", b"Access is denied.\n", "no banner, no access, no descriptor"),
    Bad("bad-right.txt", b"c:\\x\n  WRITE_DAC\n", "no banner, no access, no descriptor"),
    Bad("bad-nul.txt", b"Accesschk v6\n\0", "NUL character"),
    Bad("bad-bytes.txt", b"c:\\x\n  R  \xff\n", "not text in UTF-8"),
)
_DRANZER = b"Testing COM Object - {00} Caf\xe9\nNumber of COM Objects   1\nTest Engine Version: $Rev: 96 $\n"
_DRANZER_TOOL = tool("dranzer", "96", listed=False)
DRANZER = (
    Good("good.txt", _DRANZER, _DRANZER_TOOL | {f"{P}dranzer.reports.count": "1"}, "ARTIFACT"),
    Good(
        "good.zip",
        packing.zip_of(("a.txt", _DRANZER), ("b.txt", _DRANZER), ("table.csv", b"a,b")),
        _DRANZER_TOOL | {f"{P}dranzer.reports.count": "2"},
        "ARTIFACT",
    ),
    Good(
        "good.tar",
        packing.tar_of(("a.txt", _DRANZER)),
        _DRANZER_TOOL | {f"{P}dranzer.reports.count": "1"},
        "ARTIFACT",
    ),
    Bad("bad-text.txt", b"Testing nothing\n", "is not a dranzer report"),
    Bad("bad-one-wrong.zip", packing.zip_of(("a.txt", _DRANZER), ("b.txt", b"x")), "'b.txt' is not a dranzer report"),
    Bad("bad-only-table.zip", packing.zip_of(("table.csv", b"a,b")), "holds no dranzer report"),
    Bad("bad-many.zip", packing.zip_of(*((f"{n}.txt", _DRANZER) for n in range(257))), "more than 256 files"),
    Bad("bad-bomb.tar.gz", packing.tgz_of(("a.txt", b" " * 17 * 1024 * 1024)), "unpacks to more than"),
)
_LOG = b"""seed: 705693910129640559698481
muta-num: 1, generator: file, checksum: "CF5DA754", nth: 1, path: "/tmp/a, b\\".eds", output: file-writer, length: 16892
"""
_RADAMSA = tool("radamsa", listed=False)


def _records(count: int) -> dict[str, str]:
    return _RADAMSA | {f"{P}radamsa.report.records.count": str(count)}


RADAMSA_REPORT = (
    Good("good.txt", _LOG, _records(1), "ARTIFACT"),
    Good("good.tar", packing.tar_of(("a", _LOG), ("b", _LOG)), _records(2), "ARTIFACT"),
    Good("good-none.tar.gz", packing.tgz_of(), _records(0), "ARTIFACT"),
    Good("good-campaign.zip", packing.zip_of(*((str(n), _LOG) for n in range(1500))), _records(1500), "ARTIFACT"),
    Good("good-empty.txt", b"", _records(0)),
    Good("good.gz", gzip.compress(_LOG, 9, mtime=0), _records(1), "ARTIFACT"),
    Good("good.tar.gz", packing.tgz_of(("a", _LOG), ("b", _LOG)), _records(2), "ARTIFACT"),
    Good("good.zip", packing.zip_of(("a", _LOG), ("b", b"")), _records(1), "ARTIFACT"),
    Bad("bad-text.txt", b"crashed twice\n", "invalid radamsa -M pair"),
    Bad("bad-second.txt", _LOG + b"nonsense\n", "'nonsense'"),
    Bad("bad-one-wrong.zip", packing.zip_of(("a", _LOG), ("b", b"nonsense")), "pair in 'b'"),
    Bad("bad-bytes.txt", b"seed: \xff", "not text in UTF-8"),
    Bad("bad-cut.gz", gzip.compress(_LOG, 9, mtime=0)[:30], "ends too early"),
)


def _crashes(count: int) -> dict[str, str]:
    return _RADAMSA | {f"{P}radamsa.crashes.count": str(count)}


RADAMSA_CRASHES = (
    Good("good.bin", b"\x00crash", _crashes(1), "ARTIFACT"),
    Good("good.zip", packing.zip_of(("a", b"x"), ("b/", b""), ("b/c", b"y")), _crashes(2), "ARTIFACT"),
    Good("good-none.zip", packing.zip_of(), _crashes(0), "ARTIFACT"),
    Good("good-none.tar.gz", packing.tgz_of(), _crashes(0), "ARTIFACT"),
    Good("good-none.tar", packing.tar_of(), _crashes(0), "ARTIFACT"),
    Good("good-mac.zip", packing.zip_of(("a", b"x"), ("__MACOSX/._a", b"\x00\x05\x16\x07")), _crashes(1), "ARTIFACT"),
    Bad("bad-empty.bin", b"", "is empty"),
    Bad("bad-path.zip", packing.zip_of(("..\\a", b"x")), "is a path outside the archive"),
    Bad("bad-cut.tar.gz", packing.tgz_of(("a", b"x"))[:40], "ends too early"),
)
