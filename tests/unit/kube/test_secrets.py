"""Values of Secrets, and errors that anybody may read."""

import base64
import json

import pytest

from avouch import errors
from avouch.kube import connection, secrets


class Api:
    """Answers every request alike."""

    def __init__(self, status: int, body: object = None) -> None:
        self.answer = connection.Answer(status, json.dumps(body).encode())
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, path: str) -> connection.Answer:
        self.asked.append((method, path))
        return self.answer


def reader(status: int, body: object = None) -> secrets.Secrets:
    return secrets.Secrets(Api(status, body), "avouch-worker", "integrations.secrets")  # type: ignore[arg-type]


async def test_a_value_is_read_by_its_key() -> None:
    found = reader(200, {"data": {"key": base64.b64encode(b"hmac").decode()}})
    assert await found.read("home", "hooks", "key") == b"hmac"
    assert await found.read_all("home", "hooks") == {"key": b"hmac"}
    assert found.api.asked[0] == ("GET", "/api/v1/namespaces/home/secrets/hooks")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("status", "body", "kind", "fix"),
    [
        (
            403,
            None,
            errors.Denied,
            "avouch-worker may not read this Secret (fix: list it in the chart's integrations.secrets",
        ),
        (404, None, errors.NotFound, "does not exist (fix: create it)"),
        (500, None, errors.Unavailable, "answered 500"),
        (200, {"data": {"other": ""}}, errors.NotFound, "no such key (fix: add it"),
        (200, {"data": {"hunter2": "not base64"}}, errors.Unavailable, "no Secret"),
        (200, ["hunter2"], errors.Unavailable, "no Secret"),
    ],
)
async def test_an_error_names_the_field_and_the_fix_and_neither_secret_nor_value(
    status: int, body: object, kind: type[errors.AvouchError], fix: str
) -> None:
    with pytest.raises(kind) as refused:
        await reader(status, body).read("home", "prod-password", "hunter2")
    said = str(refused.value)
    assert said.startswith("spec.secretRef")
    assert fix in said
    assert not [secret for secret in ("home", "prod-password", "hunter2") if secret in said]


async def test_the_log_names_the_secret_for_who_runs_avouch(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(errors.Denied):
        await reader(403).read("home", "hooks", "key")
    assert "Secret home/hooks" in caplog.text
