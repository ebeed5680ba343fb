"""From a spec and a Secret to a backend: what is missing is named, and nothing of the Secret is shown."""

import pytest

from avouch import errors
from avouch.cas import backends, filesystem, objects, oci
from avouch.controlplane.artifacts import backends as backend_rules

S3 = {"s3": {"bucket": "b", "region": "eu-central-1"}}
KEYS = {"accessKeyId": b"id", "secretAccessKey": b"very-secret\n"}
AZURE = {"azure": {"account": "acct", "container": "c"}}


@pytest.mark.parametrize(
    ("spec", "secret", "kind"),
    [
        (S3, KEYS, objects.Objects),
        ({"s3": {**S3["s3"], "endpoint": "http://minio:9000", "prefix": "p"}}, KEYS, objects.Objects),
        (AZURE, {"accountKey": b"a2V5"}, objects.Objects),
        (AZURE, {"sasToken": b"sv=2021&sig=x"}, objects.Objects),
        (AZURE, {"tenantId": b"t", "clientId": b"c", "clientSecret": b"s"}, objects.Objects),
        ({"oci": {"repository": "registry.example/team/artifacts"}}, {}, oci.Registry),
        ({"oci": {"repository": "registry.example/team"}}, {"username": b"u", "password": b"p"}, oci.Registry),
    ],
)
async def test_each_kind_is_built_without_asking_anybody(spec, secret, kind):
    built = backends.build(spec, secret, "uid")
    assert isinstance(built, kind)
    await built.close()


@pytest.mark.parametrize(
    ("spec", "secret", "missing"),
    [
        (S3, {}, "accessKeyId"),
        (S3, {"accessKeyId": b"id"}, "secretAccessKey"),
        (AZURE, {}, "tenantId"),
        ({"gcs": {"bucket": "b"}}, {}, "credentials.json"),
        (S3, {**KEYS, "secretAccessKey": b"\xff"}, "secretAccessKey"),
    ],
)
def test_a_key_that_the_secret_lacks_is_named(spec, secret, missing):
    with pytest.raises(errors.Invalid, match=missing) as refused:
        backends.build(spec, secret, "uid")
    assert refused.value.field == "spec.secretRef"


@pytest.mark.parametrize("key", [b"not json", b'{"type": "authorized_user"}', b"[]"])
def test_a_key_file_of_google_that_is_none_is_refused_without_showing_it(key):
    with pytest.raises(errors.Invalid) as refused:
        backends.build({"gcs": {"bucket": "b"}}, {"credentials.json": key}, "uid")
    assert key.decode() not in str(refused.value)


def test_a_file_system_backend_needs_the_installs_volume_and_gets_a_folder_of_its_own(tmp_path):
    with pytest.raises(errors.Invalid, match="no artifact volume"):
        backends.build({"filesystem": {}}, {}, "uid-7")
    assert isinstance(backends.build({"filesystem": {}}, {}, "uid-7", tmp_path), filesystem.FileSystem)
    assert (tmp_path / "backends/uid-7/sha256").is_dir()


@pytest.mark.parametrize(
    "endpoint", ["http://[::bad", "https://%zz", "http://127.0.0.1:99999999", "https://127.0.0.1:1/x y", "http://\x00"]
)
async def test_what_makes_the_stores_client_panic_is_only_not_reachable(endpoint):
    """Kubernetes refuses such an address; what stands in the database is not trusted for that."""
    built = backends.build({"s3": {**S3["s3"], "endpoint": endpoint}}, KEYS, "uid")
    found = await backend_rules.probe(built)
    assert (found.reachable, found.writable) == (False, False)


@pytest.mark.parametrize("spec", [S3, {"oci": {"repository": "registry.example/team"}}])
def test_an_authority_that_is_none_is_refused(spec):
    with pytest.raises(errors.Invalid):
        backends.build(spec, {**KEYS, "ca.crt": b"nope"}, "uid")


def test_no_kind_at_all_is_refused():
    with pytest.raises(errors.Invalid, match="unknown kind"):
        backends.build({}, {}, "uid")
