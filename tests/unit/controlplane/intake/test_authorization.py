"""Who may attest: every way to let the wrong one in."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from avouch import errors
from avouch.api import workflow
from avouch.controlplane.intake import authorization
from avouch.controlplane.model import identities, workflowspecs

ORG = identities.Organization("acme", "home")
HERE = authorization.Place("team", "build", ORG)
ROBOT = authorization.ServiceAccount("team", "robot")
ISSUER = "https://issuer.example"
OIDC = identities.OidcIdentity(
    ISSUER, "avouch", "repo:org/app", {"repository": "org/app", "run": 7, "groups": ["a"], "no": None}
)
TOKEN = identities.TokenRecord(
    "i" * 16, "ci", "team", "n", "u", "Project", "", bytes(32), datetime(2026, 1, 1, tzinfo=UTC)
)  # fmt: skip


def spec(**listed: Any) -> dict[str, Any]:
    return {"attesters": listed}


def listed(said: dict[str, Any]) -> workflow.Attesters | None:
    return workflowspecs.read(said, "build").attesters


def token(**changed: Any) -> authorization.Token:
    return authorization.Token(replace(TOKEN, **changed))


HOME = token(scope="Organization", namespace="home")


def oidc(**said: Any) -> dict[str, Any]:
    return spec(oidc=[{"issuer": ISSUER, **said}])


@pytest.mark.parametrize(
    ("said", "who"),
    [
        pytest.param({}, ROBOT, id="nobody listed, a ServiceAccount of the namespace"),
        pytest.param({}, token(), id="nobody listed, a token of the project"),
        pytest.param({}, token(scope="Workflow", workflow="build"), id="nobody listed, a token of this Workflow"),
        pytest.param({}, HOME, id="nobody listed, a token of the organization"),
        pytest.param(spec(serviceAccounts=["robot"]), ROBOT, id="a listed ServiceAccount"),
        pytest.param(spec(tokens=[{"name": "ci"}]), token(), id="a listed token"),
        pytest.param(spec(tokens=[{"name": "ci", "scope": "Project"}]), token(), id="a listed token with its scope"),
        pytest.param(spec(tokens=[{"name": "ci", "scope": "Organization"}]), HOME, id="a listed token of home"),
        pytest.param(oidc(subject="repo:org/app"), OIDC, id="a listed subject"),
        pytest.param(oidc(claims={"repository": "org/app"}), OIDC, id="a listed claim"),
        pytest.param(oidc(audience="avouch", subject="repo:org/app"), OIDC, id="a named audience"),
    ],
)
def test_who_is_let_in(said: dict[str, Any], who: authorization.Attester) -> None:
    assert authorization.may_attest(listed(said), HERE, who)


@pytest.mark.parametrize(
    ("said", "who"),
    [
        # ServiceAccounts
        pytest.param({}, authorization.ServiceAccount("other", "robot"), id="another namespace's ServiceAccount"),
        pytest.param(
            spec(serviceAccounts=["robot"]), authorization.ServiceAccount("other", "robot"), id="its namesake"
        ),
        pytest.param({}, authorization.ServiceAccount("team", ""), id="a ServiceAccount without name"),
        pytest.param(spec(serviceAccounts=["signer"]), ROBOT, id="another ServiceAccount is listed"),
        pytest.param(spec(serviceAccounts=[]), ROBOT, id="an empty list"),
        pytest.param(spec(), ROBOT, id="empty attesters"),
        pytest.param(spec(tokens=[{"name": "robot"}]), ROBOT, id="a token of its name is listed"),
        pytest.param(spec(tokens=[{"name": "ci"}]), ROBOT, id="only tokens are listed"),
        pytest.param(oidc(subject="robot"), ROBOT, id="only OIDC is listed"),
        # tokens
        pytest.param({}, token(namespace="other"), id="a token of another project"),
        pytest.param({}, token(scope="Workflow", workflow="other"), id="a token of another Workflow"),
        pytest.param({}, token(scope="Organization", namespace="rival"), id="another organization's token"),
        pytest.param({}, token(scope="Organization"), id="an organization's token made in a project"),
        pytest.param(spec(tokens=[{"name": "other"}]), token(), id="another token is listed"),
        pytest.param(spec(serviceAccounts=["ci"]), token(), id="a ServiceAccount of its name is listed"),
        pytest.param(spec(tokens=[]), token(), id="no token is listed"),
        pytest.param(spec(tokens=[{"name": "ci"}]), HOME, id="a project's token of its name is listed, not home's"),
        pytest.param(spec(tokens=[{"name": "ci", "scope": "Organization"}]), token(), id="home's is listed"),
        pytest.param(spec(tokens=[{"name": "ci"}]), token(namespace="other"), id="listed, of another project"),
        pytest.param(
            spec(tokens=[{"name": "ci"}]), token(scope="Workflow", workflow="other"), id="listed, for another Workflow"
        ),
        pytest.param(
            spec(tokens=[{"name": "ci", "scope": "Organization"}]),
            token(namespace="home"),
            id="home's own project token",
        ),
        # OIDC
        pytest.param({}, OIDC, id="an OIDC identity that nobody listed"),
        pytest.param(
            spec(serviceAccounts=["robot"]), replace(OIDC, subject="robot"), id="a ServiceAccount of its name"
        ),
        pytest.param(oidc(), OIDC, id="neither subject nor claims"),
        pytest.param(oidc(claims={}), OIDC, id="empty claims"),
        pytest.param(oidc(subject="repo:org/application"), OIDC, id="another subject"),
        pytest.param(oidc(subject="repo:org/*"), OIDC, id="a pattern is a text"),
        pytest.param(oidc(subject="repo:org/app", claims={"repository": "org/other"}), OIDC, id="one of two does not"),
        pytest.param(oidc(subject="x", claims={"repository": "org/app"}), OIDC, id="the other of two does not"),
        pytest.param(oidc(claims={"missing": "x"}), OIDC, id="a claim that is not there"),
        pytest.param(oidc(claims={"no": "None"}), OIDC, id="a claim that is null"),
        pytest.param(oidc(claims={"run": "7"}), OIDC, id="a number is no text"),
        pytest.param(oidc(claims={"groups": "a"}), OIDC, id="a list is no text"),
        pytest.param(oidc(audience="other", subject="repo:org/app"), OIDC, id="another audience"),
        pytest.param(
            spec(oidc=[{"issuer": ISSUER + "/", "subject": "repo:org/app"}]), OIDC, id="an issuer that is almost it"
        ),
    ],
)
def test_who_is_not_let_in(said: dict[str, Any], who: authorization.Attester) -> None:
    assert not authorization.may_attest(listed(said), HERE, who)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (spec(serviceAccounts="robots"), "serviceAccounts"),  # a text that holds a name
        ({"attesters": ["robot"]}, ""),
        ({"attesters": "robot"}, ""),
        (spec(tokens=[{"name": "ci", "scope": "All"}]), "tokens.0.scope"),
        (spec(tokens=["ci"]), "tokens.0"),
        (spec(tokens={"name": "ci"}), "tokens"),
        (oidc(subject=""), "oidc.0.subject"),
        (oidc(subject="repo:org/app", claims="repository"), "oidc.0.claims"),
        (oidc(claims={"missing": ""}), "oidc.0.claims.missing"),
        (oidc(claims={"no": None}), "oidc.0.claims.no"),
        (oidc(audience="", subject="repo:org/app"), "oidc.0.audience"),
        (spec(oidc=[{"subject": "repo:org/app"}]), "oidc.0.issuer"),
        (spec(oidc=[{"issuer": "", "subject": "s"}]), "oidc.0.issuer"),
    ],
)
def test_who_may_attest_is_refused_with_the_field_where_it_cannot_be_read(said: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        listed(said)
    assert refused.value.field == ".".join(("spec.attesters", *filter(None, (field,))))


def test_nobody_is_of_an_organization_where_none_claims_the_namespace() -> None:
    alone = authorization.Place("home", "build")
    of_organization = listed(spec(tokens=[{"name": "ci", "scope": "Organization"}]))
    assert not authorization.may_attest(None, alone, HOME)
    for who in (HOME, token(namespace="home"), token(namespace="home", scope="Workflow", workflow="build")):
        assert not authorization.may_attest(of_organization, alone, who)
