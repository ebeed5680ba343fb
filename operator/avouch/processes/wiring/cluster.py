"""Kubernetes: the user's own kubectl."""

import click

from avouch import kubectl
from avouch.cli import ports


def build(options: ports.Options) -> ports.Cluster:
    """Kubectl as the options want it; what it warns of goes to stderr."""
    return kubectl.Kubectl(
        lambda warning: click.echo(warning, err=True),
        kubeconfig=options.kubeconfig,
        context=options.context,
        namespace=options.namespace,
    )
