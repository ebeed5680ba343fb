"""The grammar of policy references (Chainloop's ValidatePolicyAttachmentRef).

1. Not empty.  2. After @, only sha256: and 64 lower-case hex.  3. file:// needs a path with an extension.
4. http(s):// needs a path with an extension.  5. chainloop:// or no scheme:
[provider:][organization/]name, DNS-1123 labels each.  6. oci:// needs registry, repository and digest; Chainloop has
none.  7. No other scheme. Step 2 comes before the names. Files and web
addresses are URLs as Go parses them: no space in the host, no % that begins no escape, no control characters.
"""

import posixpath
import re
from urllib.parse import urlsplit

from avouch import digests, errors
from avouch.api import rules

NAMED = "chainloop://"  # the scheme of names
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
# A registry and a path in it: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
_PART = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*"
# What has neither dot nor port is no registry but a repository of Docker Hub, whoever allowed a host of that name.
_REPOSITORY = re.compile(f"(?=[^/]*[.:]|localhost/)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?(?::[0-9]+)?(?:/{_PART})+", re.ASCII)
_HOST = re.compile(r"(?:[^\s\"<>\\^`{|}%:\[\]]*|\[[0-9a-fA-F:.]+\])(?::[0-9]*)?")


def problem(reference: str) -> str:
    """What is wrong with a policy reference, in Chainloop's words; empty if it is valid.

    >>> problem("chainloop://org/sbom-licenses")
    ''
    >>> problem("file://licenses")
    'invalid reference "file://licenses": missing extension'
    """
    reason = _reason(reference)
    return f'invalid reference "{reference[:256]}": {reason}' if reason else ""


def elsewhere(reference: str) -> bool:
    """Whether a reference leads out of what is declared as a Policy or PolicyGroup.

    >>> elsewhere("file://sbom.yaml"), elsewhere("chainloop://acme/sbom"), elsewhere("sbom")
    (True, False, False)
    """
    return "://" in reference and not reference.startswith(NAMED)


def parted(reference: str) -> tuple[str, str]:
    """A reference without its digest, and that digest; "" where it has none."""
    bare, _, pin = reference.partition("@")
    return bare, pin


def hold(reference: str, content: bytes) -> None:
    """Hold bytes to the digest that a reference has, if it is theirs: behind oci:// it is that of a manifest.

    Raises:
        errors.Invalid: they have another one.
    """
    bare, pin = parted(reference)
    if pin and not bare.startswith("oci://") and pin != (actual := str(digests.of_bytes(content))):
        raise errors.Invalid(f"{bare}: digest mismatch: got {actual}, want {pin}", fix=f"write @{actual}, or no digest")


def _reason(reference: str) -> str:
    if not reference:
        return "reference is empty"  # 1
    bare, at, digest = reference.partition("@")
    if at and not digests.well_formed(digest):
        return "invalid digest, want policy-ref@sha256:[hex]"  # 2
    scheme, separator, rest = bare.partition("://")
    if not separator:
        return _provider_reference(bare)  # 5
    match scheme:
        case "file":
            return _file_reference(rest)  # 3
        case "http" | "https":
            return _web_reference(bare)  # 4
        case "chainloop":
            return _provider_reference(rest)  # 5
        case "oci":
            return _registry_reference(rest, digest)  # 6
    return f"unsupported protocol: {scheme}"  # 7


def _registry_reference(name: str, digest: str) -> str:
    if not digest:
        return "missing digest, want oci://registry/repository@sha256:[hex]"
    return "" if _REPOSITORY.fullmatch(name) else "invalid repository, want oci://registry/repository@sha256:[hex]"


def _file_reference(path: str) -> str:
    if not path:
        return "invalid file reference"
    return _url_problem(path) or ("" if posixpath.splitext(path)[1] else "missing extension")


def _url_problem(rest: str) -> str:
    """What Go's net/url refuses in what follows the scheme."""
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if _CONTROL.search(rest):
        return "invalid control character in URL"
    if not _HOST.fullmatch(host):
        return "invalid host name"
    return "invalid URL escape" if _NO_ESCAPE.search(rest.partition("?")[0]) else ""


def _web_reference(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError as exc:
        return str(exc)
    broken = _url_problem(url.partition("://")[2])
    return broken or ("" if posixpath.splitext(path)[1] else "missing extension")


def _provider_reference(text: str) -> str:
    provider, colon, rest = text.rpartition(":")
    organization, slash, name = rest.partition("/")
    if not slash:
        organization, name = "", organization
    if colon and not rules.LABEL.fullmatch(provider):
        return "invalid provider name"
    if slash and not rules.LABEL.fullmatch(organization):
        return "invalid organization name"
    return "" if rules.LABEL.fullmatch(name) else "invalid policy name"
