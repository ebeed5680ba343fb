import pytest

from avouch.tekton import downward


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("build-1-pod", "build-1"),
        ("build-1-pod-retry3", "build-1"),
        ("my-pod-retry-test-pod", "my-pod-retry-test"),
        ("my-pod-pod", "my-pod"),
        ("build-1", ""),
        ("-pod", ""),
        ("", ""),
        (f"{'a' * 27}{'0123456789abcdef' * 2}-pod", ""),
        (f"{'a' * 20}{'0123456789abcdef' * 2}-pod-retry1", ""),
        (f"short-{'0123456789abcdef' * 2}-pod", f"short-{'0123456789abcdef' * 2}"),
        (f"{'a' * 17}{'0123456789abcdef' * 2}-pod", f"{'a' * 17}{'0123456789abcdef' * 2}"),
        (f"{'a' * 18}{'0123456789abcdef' * 2}-pod", ""),
        (f"{'x' * 59}-pod", "x" * 59),
    ],
)
def test_a_pods_name_tells_its_taskrun_unless_it_holds_a_hash_instead(hostname: str, name: str) -> None:
    assert downward.task_run_of(hostname) == name


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('a/b="c"\nd="say \\"x\\""\nnonsense\n', {"a/b": "c", "d": 'say "x"'}),
        ('a="\\x"\n="b"\nc=d\ne=""', {"a": "", "e": ""}),
        ("", {}),
    ],
)
def test_labels_of_the_downward_api_are_unquoted(text: str, labels: dict[str, str]) -> None:
    assert downward.parse_labels(text) == labels
