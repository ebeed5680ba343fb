"""The digest of the bytes beside the digest of the meaning."""

from avouch import digests
from avouch.contract import revisions

LAST = "kubectl.kubernetes.io/last-applied-configuration"


def test_what_kubectl_apply_sent_is_what_counts() -> None:
    manifest = {"metadata": {"annotations": {LAST: '{"a": 1}\n'}}, "spec": {"b": 2}}
    assert revisions.source_digest(manifest) == digests.of_bytes(b'{"a": 1}\n')


def test_without_it_the_spec_counts_as_compact_sorted_json() -> None:
    expected = digests.of_bytes('{"a":"ü","b":[1,2]}'.encode())
    for metadata in ({}, {"metadata": {}}, {"metadata": {"annotations": {LAST: ""}}}):
        assert revisions.source_digest({**metadata, "spec": {"b": [1, 2], "a": "ü"}}) == expected


def test_a_text_that_is_no_unicode_has_a_digest_all_the_same() -> None:
    assert revisions.source_digest({"spec": {"a": "\udcff"}}).hex
