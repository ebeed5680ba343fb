"""From a spec and a Secret to a backend: what is missing is named, and nothing of the Secret is shown."""

import asyncio
import base64
import contextlib
import json

import pytest

from avouch import destinations, digests, errors
from avouch.cas import backends, filesystem, forwarding, objects, oci
from avouch.controlplane.artifacts import backends as backend_rules
from tests import loopback, objectstores, resolving

S3 = {"s3": {"bucket": "b", "region": "eu-central-1"}}
KEYS = {"accessKeyId": b"id", "secretAccessKey": b"very-secret\n"}
AZURE = {"azure": {"account": "acct", "container": "c"}}
USER = {"username": b"robot", "password": b"very-secret", "host": b"registry.example\n"}
OCI = {"oci": {"repository": "registry.example/team"}}
BLOB = {"azure": {**AZURE["azure"], "endpoint": "https://blob.example:8443/x"}}
HERE = destinations.Destinations.parse("127.0.0.0/8", "AVOUCH_DESTINATIONS")


@pytest.fixture
async def offered():
    async with objectstores.installed(HERE) as install:
        yield install


@pytest.mark.parametrize(
    ("spec", "secret", "kind"),
    [
        (S3, KEYS, objects.Objects),
        ({"s3": {**S3["s3"], "endpoint": "http://minio:9000", "prefix": "p"}}, KEYS, objects.Objects),
        (AZURE, {"accountKey": b"a2V5"}, objects.Objects),
        (AZURE, {"sasToken": b"sv=2021&sig=x", "host": b"acct.blob.core.windows.net"}, objects.Objects),
        (AZURE, {"tenantId": b"t", "clientId": b"c", "clientSecret": b"s"}, objects.Objects),
        ({"oci": {"repository": "registry.example/team/artifacts"}}, {}, oci.Registry),
        ({"oci": {"repository": "registry.example/team"}}, USER, oci.Registry),
    ],
)
async def test_each_kind_is_built_without_asking_anybody(offered, spec, secret, kind):
    built = backends.build(spec, secret, "uid", offered)
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
    assert isinstance(
        backends.build({"filesystem": {}}, {}, "uid-7", backends.Install(tmp_path)), filesystem.FileSystem
    )
    assert (tmp_path / "backends/uid-7/sha256").is_dir()


@pytest.mark.parametrize(
    "endpoint", ["http://[::bad", "https://%zz", "http://127.0.0.1:99999999", "https://127.0.0.1:1/x y", "http://\x00"]
)
async def test_what_makes_the_stores_client_panic_is_only_not_reachable(offered, endpoint):
    """Kubernetes refuses such an address; what stands in the database is not trusted for that."""
    with contextlib.suppress(errors.Invalid):
        built = backends.build({"s3": {**S3["s3"], "endpoint": endpoint}}, KEYS, "uid", offered)
        found = await backend_rules.probe(built)
        assert (found.reachable, found.writable) == (False, False)


@pytest.mark.parametrize("spec", [S3, {"oci": {"repository": "registry.example/team"}}])
def test_an_authority_that_is_none_is_refused(spec):
    with pytest.raises(errors.Invalid):
        backends.build(spec, {**KEYS, "ca.crt": b"nope"}, "uid")


def test_no_kind_at_all_is_refused():
    with pytest.raises(errors.Invalid, match="unknown kind"):
        backends.build({}, {}, "uid")


@pytest.mark.parametrize(
    ("spec", "secret"),
    [
        (OCI, USER),
        (OCI, {**USER, "host": b"other.example, https://REGISTRY.example/"}),
        (BLOB, {"sasToken": b"sv=x", "host": b"blob.example:8443"}),
        (BLOB, {"accountKey": b"a2V5", "host": b"blob.example:8443"}),
        (S3, KEYS),
    ],
)
async def test_credentials_are_for_the_host_that_their_secret_names(offered, spec, secret):
    assert backends.build(spec, secret, "uid", offered)


@pytest.mark.parametrize(
    ("spec", "secret", "host"),
    [
        (OCI, {"username": b"robot", "password": b"very-secret"}, "registry.example"),
        (OCI, {**USER, "host": b""}, "registry.example"),
        (OCI, {**USER, "host": b"xregistry.example"}, "registry.example"),
        (OCI, {**USER, "host": b"registry.example:5000"}, "registry.example"),
        ({"oci": {"repository": "evil.example/registry.example"}}, USER, "evil.example"),
        (AZURE, {"sasToken": b"very-secret"}, "acct.blob.core.windows.net"),
        (BLOB, {"sasToken": b"very-secret", "host": b"acct.blob.core.windows.net"}, "blob.example:8443"),
        (BLOB, {"accountKey": b"dmVyeS1zZWNyZXQ="}, "blob.example:8443"),
        (BLOB, {"tenantId": b"t", "clientId": b"c", "clientSecret": b"very-secret"}, "blob.example:8443"),
    ],
)
def test_a_secret_that_does_not_name_the_host_is_sent_nowhere_and_the_message_says_what_to_add(spec, secret, host):
    with pytest.raises(errors.Invalid, match="does not say that") as refused:
        backends.build(spec, secret, "uid")
    assert f"add the key host: {host} to the Secret" in refused.value.fix
    assert refused.value.field == "spec.secretRef"
    assert "secret" not in str(refused.value).replace("spec.secretRef", "")


async def test_a_password_of_one_registry_is_never_told_to_another():
    entry = {"auth": base64.b64encode(b"robot:very-secret").decode()}
    config = json.dumps({"auths": {"registry.example": entry}}).encode()
    challenge = loopback.Reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
    with loopback.serving(lambda _: challenge) as evil:
        spec = {"oci": {"repository": f"{evil.address}/x", "insecure": True}}
        built = backends.build(spec, {".dockerconfigjson": config}, "uid", backends.Install(None, HERE))
        assert not (await backend_rules.probe(built)).reachable
        await built.close()
    assert evil.seen
    assert not any("authorization" in seen.headers for seen in evil.seen)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("oci", {}),
        ("s3", KEYS),
        ("azure", {"accountKey": b"a2V5"}),
        ("gcs", {}),
    ],
)
async def test_no_backend_asks_an_address_that_the_operator_did_not_list(kind, secret, listed):
    with loopback.serving(lambda _: loopback.Reply(418)) as inside:
        spec, keys = aimed(kind, inside, secret)
        async with objectstores.installed(HERE if listed else destinations.PUBLIC) as install:
            built = backends.build(spec, keys, "uid", install)
            found = await backend_rules.probe(built)
            await built.close()
    assert not found.reachable
    assert bool(inside.connections) is listed
    assert "418" not in found.message
    assert listed or "destinations" in found.message


def aimed(kind, server, secret):
    """A spec whose backend is the server, and its Secret."""
    if kind == "oci":
        return {"oci": {"repository": f"{server.address}/x", "insecure": True}}, secret
    if kind == "s3":
        return {"s3": {**S3["s3"], "endpoint": server.url}}, secret
    if kind == "azure":
        return {"azure": {**AZURE["azure"], "endpoint": server.url}}, {**secret, "host": server.address.encode()}
    key = {
        "gcs_base_url": server.url,
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    return {"gcs": {"bucket": "b"}}, {"credentials.json": json.dumps(key).encode()}


@pytest.mark.parametrize("spec", [{"s3": {**S3["s3"], "endpoint": "http://8.8.8.8"}},
                                  {"oci": {"repository": "8.8.8.8/x", "insecure": True}}])  # fmt: skip
async def test_what_is_not_encrypted_goes_to_listed_destinations_alone(offered, spec):
    built = backends.build(spec, {**KEYS, **USER, "host": b"8.8.8.8"}, "uid", offered)
    found = await backend_rules.probe(built)
    await built.close()
    assert "is not encrypted, and not listed by the operator" in found.message


def test_a_store_at_an_address_of_its_own_is_not_built_where_nothing_checks_where_its_client_goes():
    with pytest.raises(errors.Invalid, match="cannot be reached here"):
        backends.build({"s3": {**S3["s3"], "endpoint": "https://minio.example"}}, KEYS, "uid", backends.Install())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(("kind", "secret"), [("s3", KEYS), ("azure", {"accountKey": b"a2V5"}), ("gcs", {})])
async def test_a_redirect_to_what_the_operator_did_not_list_is_not_followed(kind, secret, status):
    """The store is listed; its neighbour on the same machine is not."""
    asked = []

    async def neighbour(_, writer):
        asked.append(writer.get_extra_info("sockname"))
        writer.close()

    only = destinations.Destinations.parse("127.0.0.1", "AVOUCH_DESTINATIONS")
    async with await asyncio.start_server(neighbour, "127.0.0.2", 0) as inside, objectstores.installed(only) as install:
        there = {"Location": f"http://127.0.0.2:{inside.sockets[0].getsockname()[1]}/b/x"}
        with loopback.serving(lambda _: loopback.Reply(status, b"", there)) as store:
            spec, keys = aimed(kind, store, secret)
            built = backends.build(spec, keys, "uid", install)
            with pytest.raises(errors.Unavailable):
                await built.has(digests.of_bytes(b"x"))
            assert store.seen
    assert not asked


@pytest.mark.parametrize("others", [["127.0.0.2"], ["127.0.0.1", "127.0.0.2"]])
async def test_a_store_whose_name_leads_elsewhere_a_moment_after_the_check_is_not_asked_there(monkeypatch, others):
    only = destinations.Destinations.parse("127.0.0.1", "AVOUCH_DESTINATIONS")
    names = resolving.Resolver(monkeypatch)
    with loopback.serving(lambda _: loopback.Reply(200)) as store:
        port = store.address.partition(":")[2]
        spec = {"s3": {**S3["s3"], "endpoint": f"http://name.example:{port}"}}
        async with objectstores.installed(only) as install:
            built = backends.build(spec, KEYS, "uid", install)
            names.answers = [["127.0.0.1"]]
            assert await built.has(digests.of_bytes(b"x"))
            known = store.connections
            names.answers, names.asked = [["127.0.0.1"], others], 0
            with pytest.raises(errors.Unavailable, match="leads to an address that the operator does not list"):
                await built.has(digests.of_bytes(b"x"))
            assert (store.connections, names.asked) == (known, 2)


async def test_a_store_over_https_is_reached_through_the_forwarder_and_only_where_its_certificate_is_trusted(tmp_path):
    tls = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(200), tls) as store:
        spec = {"s3": {**S3["s3"], "endpoint": store.url}}
        async with objectstores.installed(HERE) as install:
            trusting = backends.build(spec, {**KEYS, "ca.crt": tls.authority.read_bytes()}, "uid", install)
            assert await trusting.has(digests.of_bytes(b"x"))
            assert "proxy-authorization" not in store.seen[0].headers
            with pytest.raises(errors.Unavailable):
                await backends.build(spec, KEYS, "uid", install).has(digests.of_bytes(b"x"))
        assert len(store.seen) == 1


async def test_a_store_that_was_busy_leaves_its_connections_to_others(monkeypatch, tmp_path):
    """Each that it keeps for later takes a place of the forwarder's."""
    monkeypatch.setattr(forwarding, "OF_ONE", 8)
    tls = loopback.tls(tmp_path)
    with loopback.serving(lambda _: loopback.Reply(200), tls) as store:
        spec, secret = {"s3": {**S3["s3"], "endpoint": store.url}}, {**KEYS, "ca.crt": tls.authority.read_bytes()}
        async with objectstores.installed(HERE) as install, asyncio.timeout(20):
            busy, other = (backends.build(spec, secret, uid, install._replace(owner="ns")) for uid in ("one", "two"))
            await asyncio.gather(*(busy.has(digests.of_bytes(b"x")) for _ in range(8)))
            while not await _reached(other):
                pass


async def _reached(store):
    try:
        return await store.has(digests.of_bytes(b"x"))
    except errors.Unavailable:
        return False


async def test_stores_of_one_namespace_take_no_more_connections_than_its_part_however_many_they_are(monkeypatch):
    """Eight backends whose store hangs took all that there are."""
    monkeypatch.setattr(forwarding, "OF_ONE", 1)
    hanging, over = asyncio.Event(), asyncio.Event()

    async def hang(_, writer):
        hanging.set()
        await over.wait()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent, objectstores.installed(HERE) as install:
        evil = {"s3": {**S3["s3"], "endpoint": f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"}}
        first = backends.build(evil, KEYS, "uid-1", install._replace(owner="evil"))
        waits = asyncio.create_task(first.has(digests.of_bytes(b"x")))
        await hanging.wait()
        with loopback.serving(lambda _: loopback.Reply(200)) as store:
            fine = {"s3": {**S3["s3"], "endpoint": store.url}}
            with pytest.raises(errors.Unavailable, match="too many requests"):
                await backends.build(fine, KEYS, "uid-2", install._replace(owner="evil")).has(digests.of_bytes(b"x"))
            assert await backends.build(fine, KEYS, "uid-3", install._replace(owner="good")).has(digests.of_bytes(b"x"))
        over.set()
        with pytest.raises(errors.Unavailable):
            await waits


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        (b"<Error><Code>NoSuchKey</Code></Error>", True),
        (b"<Error><Code>BlobNotFound</Code></Error>", True),
        (b"", True),
        (b"<Error><Code>NoSuchBucket</Code></Error>", False),
        (b"<Error><Code>ContainerNotFound</Code></Error>", False),
        (b"<html>default backend - 404</html>", False),
        (b" \n<!DOCTYPE html><p>404", False),
    ],
)
@pytest.mark.parametrize(("kind", "secret"), [("s3", KEYS), ("azure", {"accountKey": b"a2V5"}), ("gcs", {})])
async def test_a_store_that_is_not_there_is_no_word_about_what_it_keeps(offered, kind, secret, body, gone):
    with loopback.serving(lambda _: loopback.Reply(404, body)) as store:
        spec, keys = aimed(kind, store, secret)
        built = backends.build(spec, keys, "uid", offered)
        with pytest.raises(errors.NotFound if gone else errors.Unavailable):
            await anext(built.get(digests.of_bytes(b"x")))


@pytest.mark.parametrize(
    ("body", "gone"),
    [(b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}', True), (b"", True), (b"\n<html>404</html>", False)],
)
async def test_a_registry_that_is_not_there_is_no_word_about_what_it_keeps(offered, body, gone):
    with loopback.serving(lambda _: loopback.Reply(404, body)) as registry:
        spec, keys = aimed("oci", registry, {})
        built = backends.build(spec, keys, "uid", offered)
        with pytest.raises(errors.NotFound if gone else errors.Unavailable):
            await anext(built.get(digests.of_bytes(b"x")))
        await built.close()
