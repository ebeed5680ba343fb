#!/bin/sh
# The same in steps, for jobs whose evidence comes from several of them, and for builds that shall be on record when they
# break. Set AVOUCH_SERVER, AVOUCH_TOKEN and AVOUCH_CA (PEM, or a file of it; leave it out if a public authority certified
# the server).
set -eu
export AVOUCH_NAMESPACE=skynet # the project
pip install 'avouch[cli]==0.1.0' pytest cyclonedx-bom

avouch attestation init --workflow build-and-test
trap 'avouch attestation reset --trigger failure' EXIT # a build that breaks ends its run
trap 'avouch attestation reset --trigger cancellation; trap - EXIT; exit 130' INT TERM

python -m pytest --junitxml=junit.xml
cyclonedx-py requirements --of JSON -o sbom.cdx.json requirements.txt
tar -czf app.tar.gz app.py

avouch attestation add --name package --value app.tar.gz
avouch attestation add --name sbom --value sbom.cdx.json
avouch attestation add --name tests --value junit.xml
avouch attestation push
trap - EXIT
