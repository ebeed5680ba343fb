import hypothesis
from hypothesis import strategies as st

from avouch.runners import credentials, detection, remotes, table

known = sorted(
    {each.name for row in table.RUNNERS for each in (*row.variables, *row.marks)}
    | {"CI", "GITHUB_SERVER_URL", "SYSTEM_TEAMFOUNDATIONSERVERURI", "SYSTEM_TEAMPROJECT", "TEKTON_DASHBOARD_URL"}
)
values = st.one_of(st.sampled_from(["", "true", "1", "https://a.example/x", "https://u:p@["]), st.text(max_size=20))
environments = st.dictionaries(st.one_of(st.sampled_from(known), st.text(max_size=8)), values)
labels = st.dictionaries(st.sampled_from([each.label for row in table.RUNNERS for each in row.variables]), values)
pods = st.none() | st.builds(detection.Pod, values, labels)


@hypothesis.given(environments, pods, st.randoms())
def test_every_environment_has_one_runner_whatever_the_order_of_its_variables(environment, pod, order):
    pairs = list(environment.items())
    order.shuffle(pairs)
    runner = detection.discover(environment, pod)
    assert runner == detection.discover(dict(pairs), pod)
    assert runner.type in {row.name for row in table.RUNNERS}


@hypothesis.given(environments, pods)
def test_nothing_is_recorded_that_the_table_does_not_name_or_that_looks_like_a_credential(environment, pod):
    runner = detection.discover(environment, pod)
    row = next(row for row in table.RUNNERS if row.name == runner.type)
    for name, value in runner.variables:
        assert name in {each.name for each in row.variables}
        assert value
        assert credentials.found(name, value) == ""
    assert credentials.in_text(runner.url) == ""


@hypothesis.given(environments, pods, st.sampled_from([row.name for row in table.RUNNERS if row.name]))
def test_a_dry_run_is_content_with_any_runner(environment, pod, wanted):
    detection.enforce(wanted, detection.discover(environment, pod), dry_run=True)


words = st.from_regex("[a-z0-9]{1,8}", fullmatch=True)
odd = st.text(st.sampled_from("ab1:/@?#%[].-\\ "), max_size=40)


@hypothesis.given(words, words, words)
def test_a_password_never_stays_in_a_remote(user, secret, path):
    secret = f"q{secret}q"
    cleaned = remotes.clean_remote(f"https://{user}:{secret}@git.example/{path}.git")
    assert cleaned == f"https://git.example/{path}.git"


@hypothesis.given(st.one_of(odd, st.builds("https://{}".format, odd), st.text()))
def test_a_cleaned_remote_is_clean_and_stays_as_it_is(url):
    cleaned = remotes.clean_remote(url)
    assert remotes.clean_remote(cleaned) == cleaned
    assert credentials.in_text(cleaned) == ""


@hypothesis.given(st.text(), st.text())
def test_looking_for_credentials_takes_any_text(name, value):
    assert isinstance(credentials.found(name, value), str)
