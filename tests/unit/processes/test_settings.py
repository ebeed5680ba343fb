"""Settings and the entry point: a wrong value names its variable, a wrong process its choices."""

import pytest

from avouch import errors
from avouch.processes import listeners, main, settings

GOOD = {"AVOUCH_NAMESPACE": "avouch", "AVOUCH_DATABASE_URL": "postgresql://u:secret@db/avouch"}


@pytest.mark.parametrize(
    ("change", "variable"),
    [
        ({"AVOUCH_NAMESPACE": ""}, "AVOUCH_NAMESPACE"),
        ({"AVOUCH_DATABASE_URL": " "}, "AVOUCH_DATABASE_URL"),
        ({"AVOUCH_PORT": "https"}, "AVOUCH_PORT"),
        ({"AVOUCH_BLOBS": "s3://bucket"}, "AVOUCH_BLOBS"),
        ({"AVOUCH_ARTIFACT_BYTES": "-1"}, "AVOUCH_ARTIFACT_BYTES"),
        ({"AVOUCH_ARTIFACT_COUNT": "many"}, "AVOUCH_ARTIFACT_COUNT"),
        ({"AVOUCH_LOG_LEVEL": "loud"}, "AVOUCH_LOG_LEVEL"),
        ({"AVOUCH_OIDC_ISSUERS": "https://git.example=GITLAB"}, "oidc.issuers"),
        ({"AVOUCH_OIDC_ISSUERS": "http://git.example"}, "oidc.issuers"),
    ],
)
def test_a_wrong_value_names_its_variable(change: dict[str, str], variable: str) -> None:
    with pytest.raises(errors.Invalid) as raised:
        settings.Server.from_environment({**GOOD, **change})
    assert raised.value.field == variable


@pytest.mark.parametrize("seconds", ["0", "-1", "soon"])
def test_a_worker_is_given_time_to_be_silent(seconds: str) -> None:
    with pytest.raises(errors.Invalid) as raised:
        settings.Worker.from_environment(
            {**GOOD, "AVOUCH_VERIFIER_ID": "https://v.example", "AVOUCH_TAKEOVER_SECONDS": seconds}
        )
    assert raised.value.field == "AVOUCH_TAKEOVER_SECONDS"


@pytest.mark.parametrize(
    ("change", "memory", "seconds"),
    [
        ({}, 512, 10.0),
        ({"AVOUCH_POLICY_MEMORY": "1Gi", "AVOUCH_POLICY_SECONDS": "30"}, 1024, 30.0),
        ({"AVOUCH_POLICY_MEMORY": str(192 * 1024 * 1024)}, 192, 10.0),
    ],
)
def test_a_worker_bounds_what_a_policy_may_take(change: dict[str, str], memory: int, seconds: float) -> None:
    found = settings.Worker.from_environment({**GOOD, "AVOUCH_VERIFIER_ID": "https://v.example", **change}).policies
    assert (found.memory, found.seconds) == (memory * 1024 * 1024, seconds)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AVOUCH_POLICY_MEMORY", "much"),
        ("AVOUCH_POLICY_MEMORY", "191Mi"),
        ("AVOUCH_POLICY_MEMORY", "-1Gi"),
        ("AVOUCH_POLICY_SECONDS", "0"),
        ("AVOUCH_POLICY_SECONDS", "1m"),
    ],
)
def test_a_bound_of_policies_that_is_none_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(errors.Invalid) as raised:
        settings.Worker.from_environment({**GOOD, "AVOUCH_VERIFIER_ID": "https://v.example", variable: value})
    assert raised.value.field == variable


def test_defaults_follow_the_namespace_and_the_url_stays_out_of_repr() -> None:
    config = settings.Server.from_environment(GOOD)
    assert (config.worker, config.server_url) == ("avouch/avouch-worker", "https://avouch-server.avouch.svc")
    assert str(config.tls) == "/etc/avouch/tls"
    assert "secret" not in repr(config)


def test_every_process_reads_the_quotas_that_it_needs() -> None:
    said = {**GOOD, "AVOUCH_VERIFIER_ID": "https://v.example", "AVOUCH_ARTIFACT_BYTES": "0", "AVOUCH_OPEN_RUNS": "7"}
    for process in (settings.Server, settings.Worker, settings.Controller):
        found = process.from_environment(said).quotas
        assert (found.artifact_bytes, found.artifact_count, found.open_runs) == (0, 100_000, 7)


def test_help_names_every_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in main.PROCESSES)


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        (None, ""),
        ({"subject": ()}, ""),
        ({"subject": ((("commonName", "front-proxy-client"),),)}, "front-proxy-client"),
        ({"subject": ((("commonName", "front-proxy-client"),), (("commonName", "evil"),))}, ""),
    ],
)
def test_only_one_common_name_counts(certificate: dict[str, object] | None, name: str) -> None:
    assert listeners.common_name(certificate) == name
