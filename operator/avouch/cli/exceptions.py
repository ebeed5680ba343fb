"""`avouch exception`: declared exceptions from policies."""

from datetime import UTC, datetime
from typing import Any

import click

from avouch import rfc3339
from avouch.cli import objects, options, session

RESOURCE = "policyexceptions.avouch.dev"
_HEAD = {"apiVersion": "avouch.dev/v1alpha1", "kind": "PolicyException"}
_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@click.command(cls=options.Command)
@objects.named("exception")
@click.option("--policy", required=True, metavar="NAME", help="Policy whose violations fail no run.")
@click.option("--digest", metavar="DIGEST", help="Digest of the Policy; default: whatever it says.")
@click.option("--workflow", "workflows", required=True, multiple=True, metavar="NAME",
              help="Workflow that it is for; as often as needed.")  # fmt: skip
@click.option("--material", "materials", multiple=True, metavar="NAME",
              help="Material that it is for; as often as needed; default: all.")  # fmt: skip
@click.option("--reason", required=True, metavar="TEXT", help="Why a violation is acceptable for now.")
@click.option("--lifetime", default="168h", show_default=True, metavar="DURATION",
              help="How long it lasts: at most 2160h.")  # fmt: skip
@options.dry_run
@options.output()
@session.given
def create(started: session.Session, name: str, lifetime: str, dry_run: str, form: str, **said: Any) -> None:
    """Create a PolicyException.

    Until it ends, violations of the policy fail no run of these Workflows. It is granted by you, as the cluster knows
    you: that takes the ClusterRole avouch-exception-approver. With --dry-run -o yaml it is only printed: whoever may
    grant it writes their own name into spec.grantedBy, and applies it.
    """
    from avouch.api import durations  # lazy: 60 ms (pydantic), which a list does not need

    spec = {
        "policy": {"name": said["policy"], **({"digest": said["digest"]} if said["digest"] else {})},
        "workflows": list(said["workflows"]),
        **({"materials": list(said["materials"])} if said["materials"] else {}),
        "reason": said["reason"],
        "grantedBy": _user(started),
        "expiresAt": rfc3339.to_seconds(datetime.now(UTC) + durations.read(lifetime)),
    }
    objects.create(started, [{**_HEAD, "metadata": {"name": name}, "spec": spec}], dry_run, form)


def _user(started: session.Session) -> str:
    """The user that the API server knows us as."""
    return objects.text(started.cluster.post(_WHO_AM_I, _REVIEW), "status", "userInfo", "username")


@click.command("list", cls=options.Command)
@objects.everywhere
@options.output()
@session.given
def exceptions(started: session.Session, everywhere: bool, form: str) -> None:
    """List PolicyExceptions."""
    found = started.cluster.list(RESOURCE, everywhere=everywhere)
    columns = ("POLICY", "WORKFLOWS", "GRANTED BY", "EXPIRES", "READY", "REASON")
    objects.write(form, found, objects.table(columns, found, _cells, everywhere=everywhere))


def _cells(found: objects.Manifest) -> tuple[str, ...]:
    workflows = objects.part(found, "spec").get("workflows") or []
    return (
        objects.text(found, "spec", "policy", "name"),
        ", ".join(map(str, workflows)),
        objects.text(found, "spec", "grantedBy"),
        objects.text(found, "spec", "expiresAt"),
        str(objects.condition(found).get("status", "Unknown")),
        objects.text(found, "spec", "reason"),
    )
