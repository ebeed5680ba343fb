"""`avouch api-token`: tokens for builds outside the cluster. A token's text is in a Secret, and printed once."""

import base64
import binascii
from typing import Any

import click

from avouch import errors
from avouch.cli import objects, options, output, session

RESOURCE = "apitokens.avouch.dev"
_HEAD = {"apiVersion": "avouch.dev/v1alpha1", "kind": "APIToken"}
_SCOPES = {"project": "Project", "organization": "Organization", "workflow": "Workflow"}
_WAITS = "DependencyNotReady"
_TIMEOUT = click.option("--timeout", type=click.FloatRange(min=0, max=3600), default=60.0, show_default=True,
                        metavar="SECONDS", help="How long to wait for avouch's controller.")  # fmt: skip


@click.command(cls=options.Command)
@objects.named("token")
@click.option("--scope", type=click.Choice(tuple(_SCOPES)), help="project (the default), workflow or organization.")
@click.option("--workflow", metavar="NAME", help="Workflow that the token is limited to; implies --scope workflow.")
@click.option(
    "--lifetime", "--expiration", metavar="DURATION", help="Validity of the token, such as 720h; default: unlimited."
)
@click.option("--secret-name", metavar="NAME", help="Secret to write the token to; default: avouch-token-NAME.")
@_TIMEOUT
@options.dry_run
@options.output("table", "json", "yaml", "token")
@session.given
def create(started: session.Session, name: str, timeout: float, dry_run: str, form: str, **said: str | None) -> None:
    """Create a token and print it once.

    -o token prints the token alone. The server stores only its digest; the Secret is for pods of this namespace and may
    be deleted.
    """
    manifest: objects.Manifest = {**_HEAD, "metadata": {"name": name}, "spec": _spec(**said)}
    if dry_run:
        objects.create(started, [manifest], dry_run, "yaml" if form == "token" else form)
        return
    started.cluster.create(manifest)
    ready = objects.until(started, lambda: _delivered(started.cluster.get(RESOURCE, name)), timeout)
    if ready is None:
        why = objects.readiness(started.cluster.get(RESOURCE, name))
        fix = f"see kubectl describe apitoken {name}: is avouch's controller running?"
        raise errors.TimedOut(f"token {name} is not there after {timeout:g} s; Ready: {why}", fix=fix)
    secret = started.cluster.get("secrets", objects.text(ready, "status", "secretName"))
    _show(ready, secret, form)


@click.command(cls=options.Command)
@objects.named("token")
@_TIMEOUT
@session.given
def revoke(started: session.Session, name: str, timeout: float) -> None:
    """Revoke a token.

    A token cannot be restored. The command waits until avouch's controller confirms the revocation, and fails if it
    does not.
    """
    started.cluster.patch(RESOURCE, name, {"spec": {"revoked": True}})
    if objects.until(started, lambda: _revoked(started.cluster.get(RESOURCE, name)), timeout) is None:
        fix = f"see kubectl describe apitoken {name}: is avouch's controller running?"
        raise errors.TimedOut(f"token {name} may still work: its revocation is not confirmed yet", fix=fix)
    objects.show([{**_HEAD, "metadata": {"name": name}}], "revoked", "", "table")


def _spec(scope: str | None, workflow: str | None, lifetime: str | None, secret_name: str | None) -> dict[str, str]:
    chosen = scope or ("workflow" if workflow else "project")
    if (chosen == "workflow") != bool(workflow):
        raise click.UsageError("--workflow NAME and --scope workflow belong together")
    said = {
        "scope": "" if chosen == "project" else _SCOPES[chosen],
        "workflow": workflow,
        "lifetime": lifetime,
        "secretName": secret_name,
    }
    return {key: value for key, value in said.items() if value}


def _delivered(found: objects.Manifest) -> objects.Manifest | None:
    """The APIToken once its Secret is written; an error once that is certain to fail."""
    if not objects.seen(found):
        return None
    ready = objects.condition(found)
    stalled = objects.condition(found, "Stalled").get("status") == "True"
    if stalled or ready.get("reason") == _WAITS:  # what it waits for is another object, which nobody is making now
        said = ": ".join(str(ready.get(key, "")) for key in ("reason", "message"))
        raise errors.Invalid(
            f"the token was not created: {said}", fix="correct it, or delete the APIToken and create it again"
        )
    return found if ready.get("status") == "True" and objects.text(found, "status", "secretName") else None


def _revoked(found: objects.Manifest) -> objects.Manifest | None:
    return found if objects.seen(found) and not objects.part(found, "status").get("tokens") else None


def _decoded(secret: objects.Manifest, key: str) -> str:
    try:
        return base64.b64decode(objects.text(secret, "data", key), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise errors.Corrupt(f"Secret {objects.text(secret, 'metadata', 'name')}: {key} cannot be read") from exc


def _show(found: objects.Manifest, secret: objects.Manifest, form: str) -> None:
    name, token = objects.text(secret, "metadata", "name"), _decoded(secret, "token")
    if not token:
        raise errors.Corrupt(f"Secret {name} holds no token")
    said: dict[str, Any] = {
        "name": objects.text(found, "metadata", "name"),
        "namespace": objects.text(found, "metadata", "namespace"),
        "scope": objects.text(found, "spec", "scope") or "Project",
        "expiresAt": objects.text(found, "status", "expiresAt") or None,
        "secretName": name,
        "server": _decoded(secret, "server"),
        "ca": _decoded(secret, "ca.crt"),
        "token": token,
    }
    if form == "token":
        click.echo(token)
    elif form != "table":
        output.document(form, said)
    else:
        expires, server = said["expiresAt"] or "never", said["server"]
        output.facts([("Name", said["name"]), ("Scope", said["scope"]), ("Expires", expires), ("Secret", name),
                      ("Server", server)])  # fmt: skip
        click.echo("\nSave the following token since it will not be printed again:\n", err=True)
        click.echo(token)
