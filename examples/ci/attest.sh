#!/bin/sh
# Any CI, cron, or your own machine. Set AVOUCH_SERVER, AVOUCH_TOKEN and AVOUCH_CA (PEM, or a file of it; leave it out if a
# public authority certified the server).
set -eu
export AVOUCH_NAMESPACE=skynet # the project
pip install 'avouch[cli]==0.1.0' pytest cyclonedx-bom

python -m pytest --junitxml=junit.xml
cyclonedx-py requirements --of JSON -o sbom.cdx.json requirements.txt
tar -czf app.tar.gz app.py

avouch attest --workflow build-and-test \
  --material package=app.tar.gz --material sbom=sbom.cdx.json --material tests=junit.xml
