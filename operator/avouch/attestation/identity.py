"""Identities of leaf certificates: the authority writes them, and verification compares them.

A pod has two URIs, in this order (Go tools show the first):
1. `https://kubernetes.io/namespaces/<namespace>/serviceaccounts/<service account>`, Fulcio's spelling for Kubernetes.
2. `https://avouch.dev/pods/<pod uid>/taskruns/<TaskRun uid>`, which ties the certificate to one execution. An https URI
   in our own domain needs no registration, unlike a `urn:` namespace (RFC 8141 5).

An external attester has one:
- an APIToken: `https://avouch.dev/namespaces/<namespace>/tokens/<name>/<APIToken uid>`,
- a ServiceAccount that is not pushing for a TaskRun's pod: the first URI of a pod,
- a subject of an OIDC issuer: `https://avouch.dev/issuers/<issuer>/subjects/<subject>`, both percent-encoded.

No part can contain a slash, so different identities never have the same URIs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self
from urllib import parse

from avouch import errors

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)  # RFC 1123 label, as Kubernetes namespaces are
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", re.ASCII)  # RFC 1123 subdomain, at most 253 characters
_UID = re.compile(r"[0-9A-Za-z][-0-9A-Za-z]{0,63}", re.ASCII)  # a UUID in practice; Kubernetes calls it opaque
_ACCOUNT = re.compile(r"https://kubernetes\.io/namespaces/([^/]+)/serviceaccounts/([^/]+)", re.ASCII)
_LONGEST = 1024  # characters of an issuer or subject
_POD = re.compile(r"https://avouch\.dev/pods/([^/]+)/taskruns/([^/]+)", re.ASCII)


class Identity(Protocol):
    """Anything a certificate can be issued to."""

    def uris(self) -> tuple[str, ...]:
        """The subject alternative names, in order. Two identities are the same exactly if these are."""
        ...


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """One pod of one TaskRun, running as one service account.

    Raises:
        Invalid: a field that Kubernetes would not allow.
    """

    namespace: str
    service_account: str
    pod_uid: str
    task_run_uid: str

    def __post_init__(self) -> None:
        _require(_LABEL, self.namespace, "namespace")
        _require(_NAME, self.service_account, "service_account")
        _require(_UID, self.pod_uid, "pod_uid")
        _require(_UID, self.task_run_uid, "task_run_uid")

    def uris(self) -> tuple[str, ...]:
        """Service account first, pod and TaskRun second."""
        return (
            f"https://kubernetes.io/namespaces/{self.namespace}/serviceaccounts/{self.service_account}",
            f"https://avouch.dev/pods/{self.pod_uid}/taskruns/{self.task_run_uid}",
        )

    @classmethod
    def from_uris(cls, uris: Sequence[str]) -> Self | None:
        """The pod these URIs name, or None if they do not name exactly one."""
        if len(uris) != 2:
            return None
        account, pod = _ACCOUNT.fullmatch(uris[0]), _POD.fullmatch(uris[1])
        if account is None or pod is None:
            return None
        try:
            return cls(*account.groups(), *pod.groups())
        except errors.Invalid:
            return None


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """One APIToken, for CI outside the cluster.

    Raises:
        Invalid: a field that Kubernetes would not allow.
    """

    namespace: str
    name: str
    uid: str

    def __post_init__(self) -> None:
        _require(_LABEL, self.namespace, "namespace")
        _require(_NAME, self.name, "name")
        _require(_UID, self.uid, "uid")

    def uris(self) -> tuple[str, ...]:
        """One URI: namespace, name and uid of the token."""
        return (f"https://avouch.dev/namespaces/{self.namespace}/tokens/{self.name}/{self.uid}",)


@dataclass(frozen=True, slots=True)
class AccountIdentity:
    """One ServiceAccount.

    Raises:
        Invalid: a field that Kubernetes would not allow.
    """

    namespace: str
    name: str

    def __post_init__(self) -> None:
        _require(_LABEL, self.namespace, "namespace")
        _require(_NAME, self.name, "name")

    def uris(self) -> tuple[str, ...]:
        """One URI: namespace and name of the account."""
        return (f"https://kubernetes.io/namespaces/{self.namespace}/serviceaccounts/{self.name}",)


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """One subject of an OIDC issuer, such as a job of a GitHub workflow.

    Raises:
        Invalid: empty, or longer than a certificate's name should be.
    """

    issuer: str
    subject: str

    def __post_init__(self) -> None:
        for value, name in ((self.issuer, "issuer"), (self.subject, "subject")):
            if not 0 < len(value) <= _LONGEST:
                raise errors.Invalid(f"{len(value)} characters, 1 to {_LONGEST} allowed", field=name)

    def uris(self) -> tuple[str, ...]:
        """One URI: issuer and subject."""
        issuer, subject = (parse.quote(part, safe="") for part in (self.issuer, self.subject))
        return (f"https://avouch.dev/issuers/{issuer}/subjects/{subject}",)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An identity as it was recorded when a run was opened."""

    names: tuple[str, ...]

    def uris(self) -> tuple[str, ...]:
        """The recorded URIs."""
        return self.names


def _require(form: re.Pattern[str], value: str, field: str) -> None:
    if not form.fullmatch(value):
        raise errors.Invalid(f"not a Kubernetes name or uid: {value[:80]!r}", field=field)
