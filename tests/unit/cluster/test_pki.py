from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.cluster.pki import Authority


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_user_and_groups_are_where_kubernetes_reads_them(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").issue("alice", "alice", ["team:a", "team:b"])
    subject = load(pair.cert).subject
    assert [str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["alice"]
    groups = [str(name.value) for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert groups == ["team:a", "team:b"]


def test_a_server_is_certified_for_names_and_addresses(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").issue("server", "server", names=["webhook.default.svc", "198.18.0.1"])
    names = load(pair.cert).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["webhook.default.svc"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["198.18.0.1"]


def test_an_authority_opened_again_is_the_same_one(tmp_path: Path) -> None:
    first = Authority(tmp_path, "ca")
    pair = Authority(tmp_path, "ca").issue("late", "late")
    load(pair.cert).verify_directly_issued_by(load(first.pair.cert))


def test_only_the_owner_can_read_a_key(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").issue("alice", "alice")
    assert pair.key.stat().st_mode & 0o077 == 0
