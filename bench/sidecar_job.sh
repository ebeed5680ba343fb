#!/bin/sh
# What the sidecar does after the last step, by hand: open the run, upload one file, get a certificate for a new key,
# sign a statement (DSSE, P-256) and push the bundle. The same four requests, each on a connection of its own.
# Wants SERVER, CA, TOKEN, WORKFLOW, NAMESPACE, CONTRACT, FILE and an empty directory to work in.
set -eu
api() { curl -sS --fail-with-body --noproxy '*' --cacert "$CA" -H "Authorization: Bearer $TOKEN" "$@"; }
of() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
type=application/vnd.in-toto+json

opened=$(api -d '{}' "$SERVER/v1/runs")
run=${opened#*\"id\":\"} && run=${run%%\"*}
digest=$(sha256sum < "$FILE" | cut -d' ' -f1)
size=$(wc -c < "$FILE")
api -T "$FILE" "$SERVER/v1/runs/$run/materials/sha256:$digest" > /dev/null

openssl ecparam -name prime256v1 -genkey -noout -out key.pem
csr=$(openssl req -new -key key.pem -subj /CN=build-pod | awk '{printf "%s\\n", $0}')
printf '%b' "$(api -d "{\"csr\":\"$csr\"}" "$SERVER/v1/runs/$run/certificate" | of certificate)" > leaf.pem
leaf=$(openssl x509 -in leaf.pem -outform DER | base64 -w0)

material=$(printf '{"annotations":{"chainloop.material.cas":true,"chainloop.material.name":"sbom","chainloop.material.size":"%s","chainloop.material.type":"SBOM_CYCLONEDX_JSON"},"digest":{"sha256":"%s"},"name":"sbom.json"}' "$size" "$digest")
metadata=$(printf '{"contractName":"%s","contractVersion":"1","finishedAt":"%s","initializedAt":"%s","name":"%s","project":"%s","workflowID":"workflow-uid","workflowName":"%s","workflowRunID":"%s"}' "$CONTRACT" "$at" "$at" "$WORKFLOW" "$NAMESPACE" "$WORKFLOW" "$run")
predicate=$(printf '{"buildType":"chainloop.dev/workflowrun/v0.1","builder":{"id":"bench"},"materials":[%s],"metadata":%s,"runnerType":"TEKTON_PIPELINE"}' "$material" "$metadata")
record=$(printf '%s' "$predicate" | sha256sum | cut -d' ' -f1)
printf '{"_type":"https://in-toto.io/Statement/v1","predicate":%s,"predicateType":"chainloop.dev/attestation/v0.2","subject":[{"digest":{"sha256":"%s"},"name":"chainloop.workflow.%s"}]}' "$predicate" "$record" "$WORKFLOW" > statement

signature=$({ printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c < statement)" && cat statement; } \
  | openssl dgst -sha256 -sign key.pem | base64 -w0)
printf '{"dsseEnvelope":{"payload":"%s","payloadType":"%s","signatures":[{"sig":"%s"}]},"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":"%s"}}}' \
  "$(base64 -w0 < statement)" "$type" "$signature" "$leaf" > bundle
api --data-binary @bundle "$SERVER/v1/runs/$run/bundles" > /dev/null
