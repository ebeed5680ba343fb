"""Faults that change nothing anybody could see: module below operator/avouch and name of the fault, and the reason."""

_FACTS = "only claims with facts count: one without is a finding before (`tekton_run._problem`); for the type checker"
_NOBODY = "the UID of an object that is not there is empty, and that of the one it is compared with is not"
_TOGETHER = "there are rules where there is a Workflow; for the type checker"

_STRICT = "cryptography and OpenSSL refuse what is not DER, too; ours stays beside it"
_LONG_WAY = "the long way says the same, some microseconds later"

EQUIVALENT: dict[tuple[str, str], str] = {
    ("sidecar/files.py", "_open: directory >= 0 -> Gt"): "descriptor 0 is the standard input",
    ("tekton/limits.py", "_lowered: each >= enough -> Gt"): "what is enough is tried next anyway",
    ("controlplane/judging/materials.py", "_entries: said.facts is None -> False"): _FACTS,
    ("controlplane/judging/tekton_run.py", "_refusals: said.facts is None -> False"): _FACTS,
    (
        "controlplane/judging/tekton_run.py",
        "_annotations: said.facts is not None and said.facts.annotations.get(asked.name) -> "
        "without said.facts is not None",
    ): _FACTS,
    ("controlplane/judging/tekton_run.py", "_counting: run is not None -> True"): (
        "a claim about no TaskRun of the run is a problem before; for the type checker"
    ),
    ("controlplane/judging/tekton_run.py", "wrong_taskruns: snapshot is None -> False"): (
        "a run without a snapshot is Pending and not checked; for the type checker"
    ),
    ("controlplane/judging/tekton_run.py", "cleaned_record: record.case.snapshot is not None -> True"): (
        "a run without a snapshot is Pending and not checked; for the type checker"
    ),
    ("controlplane/judging/tekton_run.py", "_unrecorded: case.snapshot is None -> False"): (
        "a run without a snapshot is Pending and not checked; for the type checker"
    ),
    ("controlplane/judging/tekton_run.py", "missing_sidecars: record.case.snapshot is None -> False"): (
        "a run without a snapshot is Pending and not checked; for the type checker"
    ),
    ("controlplane/judging/judge.py", "Judging.case: record.late -> True"): (
        "where no claim is late all are heard; it saves a look at the record"
    ),
    (
        "controlplane/intake/pod_identity.py",
        "_pod: pod is None or labels.uid_of(pod) != holder.pod_uid -> without pod is None",
    ): _NOBODY,
    (
        "controlplane/intake/pod_identity.py",
        "_taskrun: taskrun is None or labels.uid_of(taskrun) != owner.uid -> without taskrun is None",
    ): _NOBODY,
    (
        "controlplane/intake/pod_identity.py",
        "_pipelinerun: pipelinerun is None or labels.uid_of(pipelinerun) != owner.uid -> without pipelinerun is None",
    ): _NOBODY,
    (
        "controlplane/intake/external_opening.py",
        "Opener._workflow: found is None or rules is None or (not authorization.may_attest(rules.attesters, place, "
        "attester)) -> without found is None",
    ): _TOGETHER,
    (
        "controlplane/intake/external_opening.py",
        "Opener._workflow: found is None or rules is None or (not authorization.may_attest(rules.attesters, place, "
        "attester)) -> without rules is None",
    ): _TOGETHER,
    (
        "controlplane/intake/planning.py",
        "Owed.run: self.text or self.plan.to_json() -> without self.text",
    ): "spares writing what is written there already",
    ("integrations/webhook.py", ": importlib.util.find_spec('sniffio') is None -> True"): "it is not installed here",
    ("controlplane/intake/pod_identity.py", "Callers._namespace: holder.namespace -> no row"): (
        "the UID of an account is of one namespace alone"
    ),
    (
        "controlplane/intake/injection.py",
        "InjectionPlanner._pipelinerun: found is not None and labels.uid_of(found) == owner.uid -> "
        "without found is not None",
    ): _NOBODY,
    (
        "controlplane/intake/injection.py",
        "InjectionPlanner.plan_for: taskrun is None or labels.uid_of(taskrun) != shape.owner.uid -> "
        "without taskrun is None",
    ): _NOBODY,
    (
        "controlplane/intake/tokens.py",
        "check: record is None or not same or record.id != parse(text) -> without record is None",
    ): "no text has the digest that stands for nobody's; for the type checker",
    (
        "controlplane/intake/submissions.py",
        "Intake._claims: session.external is None or self.external is None -> without self.external is None",
    ): "only the external runs make a session that has such a part; for the type checker",
    ("attestation/statement.py", "_text: type(value) is str -> False"): _LONG_WAY,
    (
        "attestation/statement.py",
        "_digests: type(value) is dict and len(value) == 1 and _is_sha256(value.get('sha256')) -> False",
    ): _LONG_WAY,
    (
        "attestation/statement.py",
        "_is_sha256: return type(value) is str and len(value) == _HEX_LENGTHS['sha256'] and "
        "(_HEX.fullmatch(value) is not None) -> False",
    ): _LONG_WAY,
    ("attestation/strictjson.py", "loads: _SURROGATE_ESCAPE.search(data) -> True"): "writes text that can be written",
    (
        "attestation/strictjson.py",
        "_check_shape: opened <= max_depth and data.count(b',') <= max_items -> False",
    ): _LONG_WAY,
    ("attestation/strictjson.py", "_check_shape: opened <= max_depth -> Lt"): _LONG_WAY,
    ("attestation/strictjson.py", "_check_shape: data.count(b',') <= max_items -> Lt"): _LONG_WAY,
    (
        "attestation/canonicaljson.py",
        "_canonical: len(data) > max_items and _items(data) > max_items -> without len(data) > max_items",
    ): "fewer bytes hold fewer items",
    ("attestation/canonicaljson.py", "_canonical: len(data) > max_items -> GtE"): "as above",
    ("attestation/canonicaljson.py", "_canonical: len(data) > _FEW -> False"): "a long number costs more time",
    ("attestation/canonicaljson.py", "_canonical: len(data) > _FEW -> GtE"): "as above, for one length",
    ("attestation/verification.py", "_check_signature: _require_der(signature.sig) -> pass"): _STRICT,
    ("attestation/verification.py", "_find_issuers: _require_der(leaf.signature) -> pass"): _STRICT,
    (
        "attestation/verification.py",
        "_find_issuers: isinstance(issuers[0].public_key(), ec.EllipticCurvePublicKey) -> False",
    ): _STRICT,
    (
        "attestation/verification.py",
        "_require_der: utils.encode_dss_signature(*utils.decode_dss_signature(signature)) != signature -> False",
    ): _STRICT,
    (
        "attestation/verification.py",
        "_require_der: raise errors.Invalid('the signature is not in DER') -> pass",
    ): _STRICT,
    (
        "attestation/verification.py",
        "_load_leaf: leaf.public_bytes(serialization.Encoding.DER) != der or not "
        "der.endswith(b'\\x00' + leaf.signature) -> without leaf.public_bytes(serialization.Encoding.DER) != der",
    ): _STRICT,
    ("attestation/verification.py", "_find_issuers: named -> True"): "no authority has no key; for the type checker",
    (
        "attestation/strictbase64.py",
        "decode: len(text) != (len(content) + 2) // 3 * 4 or not text.endswith(encode(last)) -> "
        "without len(text) != (len(content) + 2) // 3 * 4",
    ): "Python's decoder leaves nothing but surplus padding at the end; ours stays beside it",
    (
        "attestation/signing.py",
        "KeySigner.from_pem: raise errors.Invalid('not an ECDSA P-256 key', field='key') -> pass",
    ): "`require_p256` says the same of its public key; for the type checker",
    (
        "tekton/limits.py",
        "_amount: _said(objects.mapping(container, 'resources'), kind, resource) or Fraction(0) -> without Fraction(0)",
    ): "False counts as 0",
    ("attestation/verification.py", "_find_issuers: leaf.version is not x509.Version.v3 -> False"): (
        "a certificate of an older version has no extensions, and is refused for that"
    ),
    (
        "attestation/verification.py",
        "_find_issuers: raise errors.Invalid('not an X.509 v3 certificate') -> pass",
    ): "as above",
    ("attestation/signing.py", "KeySigner.from_pem: not isinstance(key, ec.EllipticCurvePrivateKey) -> False"): (
        "`require_p256` says the same of its public key; for the type checker"
    ),
    ("attestation/recordable.py", "read: storable.ESCAPED in verified.payload -> True"): "looks for what is not there",
    ("attestation/keysigned.py", "verify: _family(found.statement) is not family -> False"): "both read the same bytes",
    (
        "attestation/keysigned.py",
        "verify: raise errors.NotVerified('12 family', 'the signed payload differs from the statement that was read"
        " before') -> pass",
    ): "as above",
    (
        "oidc/checks.py",
        "look: not token.isascii() or len(token) > LONGEST or token.count('.') != 2 -> without not token.isascii()",
    ): "PyJWT refuses it, too; ours stays beside it",
    (
        "oidc/checks.py",
        "look: not token.isascii() or len(token) > LONGEST or token.count('.') != 2 -> without token.count('.') != 2",
    ): "as above",
    ("oidc/checks.py", "_algorithms: if entry.get('kty') == kind -> "): "as above, for a key of another type",
    ("oidc/checks.py", "check: claims.get('iss') != issuer -> False"): "PyJWT has refused it; ours stays beside it",
    ("oidc/checks.py", "check: raise errors.NotVerified('2', 'another issuer') -> pass"): "as above",
    ("oidc/issuers.py", "KeySets._renew: now < kept.until -> LtE"): "keys are kept longer than the pause: never equal",
    ("store/runs.py", "Runs.judged: runs.c.judged_version > 0 -> GtE"): (
        "a run with a verdict has a version; the condition has the index of judged runs chosen"
    ),
    ("store/artifacts.py", "Artifacts.record: owner.run_id is not None -> True"): "no run has no id: it refers to none",
    ("store/artifacts.py", "Artifacts.mark_garbage: not ids -> False"): "looks at none",
    ("store/claims.py", "write: others -> True"): "looks for none",
    (
        "store/database.py",
        "Database._check: time.monotonic() - record.info.get(_USED, 0.0) < direct.TRUSTED_SECONDS -> LtE",
    ): "a clock of nanoseconds",
    ("store/direct.py", "Connections._place: self._places.locked() -> True"): "a timer for what takes no time",
    (
        "store/direct.py",
        "Connections._take: time.monotonic() - used < TRUSTED_SECONDS -> LtE",
    ): "a clock of nanoseconds",
    ("store/direct.py", "_lives: await connection.close() -> pass"): "a lost one ends with its object, too",
    (
        "store/external_runs.py",
        "ExternalRuns.extend: table.c.expires_at < expires_at -> LtE",
    ): "writes what stands there",
    ("store/external_runs.py", "_version: where(...) -> without table.c.latest"): "what is not the latest stays so",
    (
        "store/external_runs.py",
        "_version: (made if mark_latest is None else mark_latest) and (not row.latest) -> without not row.latest",
    ): "marks the latest one once more",
    ("store/fetches.py", "Fetches.ask: fresh -> True"): "looks for room for none",
    ("store/grants.py", "apply: missing and may -> without missing"): "creates none",
    ("store/groupcommit.py", "GroupCommit._commit: self._limits.rest and len(batch) < self._limits.batch -> "
     "without self._limits.rest"): "rests no time",
    ("store/judgingqueue.py", "_Batch.settle: ended -> True"): "ends none",
    ("store/judgingqueue.py", "_Batch.settle: later -> True"): "puts none off",
    ("store/judgingqueue.py", "_Batch.settle: outside -> True"): "puts none outside",
    ("store/judgingqueue.py", "Queue.batch: not found -> False"): "records and forgets a batch of none",
    ("store/judgingqueue.py", "Queue._held_batch: heavy -> True"): "isolates none",
    ("store/judgingqueue.py", "Queue._held_batch: gone -> True"): "ends none",
    ("store/judgingqueue.py", "_records: (claims := list(claimed)) -> True"): "reads none",
    ("store/judgingqueue.py", "_taken: not mine -> False"): "reads the attachments of no namespace",
    ("store/lifecycle.py", "finish_all: locked -> True"): "writes none",
    ("store/lifecycle.py", "finish_all: others -> True"): "looks for none",
    ("store/namespaces.py", "_recorded: seen -> True"): "writes none",
    ("store/namespaces.py", "_tell: names -> True"): "tells of none",
    ("store/rows.py", ": and_(...) -> without tables.namespaces.c.name == tables.runs.c.namespace"): (
        "a uid is of one namespace; the name is its key"
    ),
    ("store/runfeed.py", "RunFeed.leave: not self._number and self._poller is not None -> "
     "without self._poller is not None"): "who is there has a poller; for the type checker",
    ("store/runfeed.py", "RunFeed._look_for_ever: await asyncio.sleep(min(_GAP, self._poll)) -> pass"): (
        "the same changes in more looks"
    ),
    ("store/runfeed.py", "RunFeed._look: poller is not self._poller -> False"): (
        "a poller that was cancelled ends where it waits; ours stays beside it"
    ),
    ("store/runqueries.py", "changed: where(...) -> without known.name == runs.namespace"): (
        "a uid is of one namespace; the name is its key"
    ),
    ("store/runqueries.py", "_is_closed: wanted in possible -> True"): "no run has a value that there is not",
    ("store/tickets.py", "Tickets.issue: table.c.expires_at < sa.func.now() -> LtE"): "a clock of microseconds",
    (
        "store/verdicts.py",
        "write: external and passed and (verdict.reevaluation is None) -> without external",
    ): "a run of the cluster has no version: it costs a statement",
    ("store/versions.py", "stamp_all: ids -> True"): "stamps none",
    ("store/views.py", "RunViews._missed: since < window[1] -> True"): "reads none",
    ("store/views.py", "RunViews._missed: since < window[1] -> LtE"): "reads none",
}  # fmt: skip
