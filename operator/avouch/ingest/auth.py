"""From the `Authorization` header to the one who calls."""

from starlette.requests import Request

from avouch import errors


def bearer(request: Request) -> str:
    """The bearer token.

    Raises:
        Unauthenticated: none, several, or another scheme.
    """
    sent = request.headers.getlist("authorization")
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise errors.Unauthenticated("no bearer token")
    return token.strip()
