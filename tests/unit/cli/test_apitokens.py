import base64
import json

from avouch import errors
from tests.unit.cli import line

READY = {"type": "Ready", "status": "True", "reason": "Issued"}


class Cluster:
    """An API server whose APIToken is in one state after the other, the last one for good."""

    def __init__(self, *states, data=None):
        self.states = list(states)
        self.created = []
        self.patched = []
        self.data = base64.b64encode(b"avouch_x").decode() if data is None else data

    def create(self, manifest, *flags):
        self.created.append((manifest, flags))
        return dict(manifest)

    def patch(self, kind, name, change, *flags):
        self.patched.append((name, change))
        return {}

    def get(self, kind, name):
        if kind == "secrets":
            return {"metadata": {"name": name}, "data": {"token": self.data}}
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, errors.AvouchError):
            raise state
        return {"metadata": {"name": name, "generation": 1}, "spec": {}, "status": state}


def state(*conditions, observed=1, **more):
    return {"observedGeneration": observed, "conditions": list(conditions), **more}


def create(cluster, *arguments):
    adapters = line.Adapters(cluster=cluster)
    return line.run("api-token", "create", "ci", *arguments, adapters=adapters), adapters


def test_the_token_comes_once_the_controller_says_that_it_is_there():
    cluster = Cluster(state(observed=-1), state(READY), state(READY, secretName="s"))
    answer, adapters = create(cluster)
    assert (answer.code, answer.out.splitlines()[-1]) == (0, "avouch_x")
    assert "Save the following token since it will not be printed again" in answer.err
    assert adapters.waited == 1.0


def test_only_the_token_for_scripts_and_all_of_it_in_json():
    answer, _ = create(Cluster(state(READY, secretName="s")), "-o", "token")
    assert (answer.out, answer.err) == ("avouch_x\n", "")
    answer, _ = create(Cluster(state(READY, secretName="s")), "-o", "json")
    assert json.loads(answer.out)["secretName"] == "s"


def test_what_stalls_is_an_error_at_once_in_the_controllers_words():
    stalled = state(
        {**READY, "status": "False", "reason": "Denied", "message": "not here"}, {"type": "Stalled", "status": "True"}
    )
    answer, adapters = create(Cluster(stalled))
    assert (answer.code, adapters.waited) == (1, 0)
    assert "the token was not created: Denied: not here" in answer.err


def test_a_token_that_waits_for_another_object_is_an_error_at_once():
    waiting = state({**READY, "status": "False", "reason": "DependencyNotReady", "message": "no home namespace"})
    answer, adapters = create(Cluster(waiting))
    assert (answer.code, adapters.waited) == (1, 0)
    assert "the token was not created: DependencyNotReady: no home namespace" in answer.err


def test_what_the_controller_tries_again_is_waited_for_and_told_when_time_is_up():
    retrying = state({**READY, "status": "False", "reason": "ProgressingWithRetry", "message": "no database"})
    answer, adapters = create(Cluster(retrying), "--timeout", "1")
    assert "Ready: False (ProgressingWithRetry: no database)" in answer.err
    assert adapters.waited == 1.0


def test_a_status_about_another_spec_is_never_taken_for_an_answer():
    answer, adapters = create(Cluster(state(READY, observed=0, secretName="s")), "--timeout", "2")
    assert answer.code == 1
    assert adapters.waited == 2.0
    assert "is avouch's controller running?" in answer.err


def test_a_secret_without_a_token_is_never_printed():
    answer, _ = create(Cluster(state(READY, secretName="s"), data="***"))
    assert answer.code == 1
    assert (answer.out, "token cannot be read" in answer.err) == ("", True)
    answer, _ = create(Cluster(state(READY, secretName="s"), data=""))
    assert (answer.code, answer.out, "holds no token" in answer.err) == (1, "", True)


def test_scopes_are_what_the_kind_knows():
    def spec(*arguments):
        answer, _ = create(Cluster(), "--dry-run", "-o", "json", *arguments)
        return json.loads(answer.out)["spec"] if answer.code == 0 else answer.err

    assert spec() == {}
    assert spec("--workflow", "w") == {"scope": "Workflow", "workflow": "w"}
    assert spec("--scope", "organization", "--expiration", "24h") == {"scope": "Organization", "lifetime": "24h"}
    assert "belong together" in spec("--scope", "workflow")
    assert "belong together" in spec("--scope", "project", "--workflow", "w")


def test_a_revocation_is_over_when_no_token_works_any_more():
    working = state(READY, tokens=[{"id": "a"}])
    cluster = Cluster(working, state(READY, observed=0), state(READY, tokens=[]))
    answer = line.run("api-token", "revoke", "ci", adapters=line.Adapters(cluster=cluster))
    assert (answer.code, answer.out) == (0, "apitoken.avouch.dev/ci revoked\n")
    assert cluster.patched == [("ci", {"spec": {"revoked": True}})]
    answer = line.run("api-token", "revoke", "ci", "--timeout", "1", adapters=line.Adapters(cluster=Cluster(working)))
    assert answer.code == 1
    assert "may still work" in answer.err
