# Two images from one package. BASE needs python3 (>= 3.11); wheels and OPA come from ./wheelhouse (`make wheelhouse`), so
# the build needs no network.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS install-server
COPY wheelhouse/server /wheelhouse
# pip runs out of its own wheel: the base holds a bare interpreter. Tests and byte code of other machines are not shipped.
RUN python3 /wheelhouse/pip.whl/pip install --no-index --no-deps --no-compile --target /opt/avouch /wheelhouse/*-*.whl \
 && python3 -m compileall -q /opt/avouch

FROM ${BASE} AS install-sidecar
COPY wheelhouse/sidecar /wheelhouse
RUN python3 /wheelhouse/pip.whl/pip install --no-index --no-deps --no-compile --target /opt/avouch /wheelhouse/*-*.whl \
 && python3 -m compileall -q /opt/avouch

# The policy engine, its licence, and those of the modules in it. An `opa` of another platform fails here, not in a cluster.
FROM ${BASE} AS opa
COPY wheelhouse/opa /opt/opa
RUN ["/opt/opa/opa", "version"]

FROM ${BASE} AS sidecar
RUN echo 'avouch:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd
COPY --from=install-sidecar /opt/avouch /opt/avouch
ENV PYTHONPATH=/opt/avouch PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
# -S: no site, so an idle sidecar stays small.
ENTRYPOINT ["python3", "-S", "-m", "avouch.sidecar"]

FROM ${BASE} AS avouch
# initdb refuses a user without a name.
RUN echo 'avouch:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd
COPY --from=opa /opt/opa /opt/opa
COPY --from=install-server /opt/avouch /opt/avouch
# The command line too: a step of a pipeline says `avouch attestation ...`.
ENV PATH=/opt/avouch/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/avouch PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    AVOUCH_OPA=/opt/opa/opa
USER 65532:65532
ENTRYPOINT ["python3", "-m", "avouch.processes.main"]
# Without a command this image must start and stay: it replaces a sidecar whose own image cannot be pulled.
CMD ["stand-in"]
