"""The network of one cluster: a namespace of its own, joined to the machine by one cable.

The machine reaches pods and Services through routes over that cable. The namespace has no way out beyond the machine,
so a pod that asks for the internet is refused at once instead of waiting.
"""

from pathlib import Path

from tests.cluster.addresses import Addresses
from tests.cluster.commands import run
from tests.cluster.errors import Impossible
from tests.cluster.processes import inside


def create(addresses: Addresses) -> None:
    """Make the namespace, the cable and the routes."""
    if addresses.host_link in run("ip", "-o", "link"):
        raise Impossible(
            f"another cluster already has the addresses that the name {addresses.name!r} stands for: choose another"
        )
    run("ip", "netns", "add", addresses.namespace)
    run("ip", "link", "add", addresses.host_link, "type", "veth", "peer", "name", addresses.node_link)
    run("ip", "link", "set", addresses.node_link, "netns", addresses.namespace)
    run("ip", "address", "add", f"{addresses.host}/30", "dev", addresses.host_link)
    run("ip", "link", "set", addresses.host_link, "up")
    _in(addresses, "ip", "link", "set", "lo", "up")
    _in(addresses, "ip", "address", "add", f"{addresses.node}/30", "dev", addresses.node_link)
    _in(addresses, "ip", "link", "set", addresses.node_link, "up")
    _in(addresses, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    # Of a pod on the node's network the kernel wants a route before kube-proxy's rules turn its packet to a pod.
    _in(addresses, "ip", "route", "add", addresses.services, "via", addresses.host, "dev", addresses.node_link)
    for network in (addresses.pods, addresses.services):
        run("ip", "route", "replace", network, "via", addresses.node, "dev", addresses.host_link)


def exists(addresses: Addresses) -> bool:
    """Whether the namespace is there; it does not survive a restart of the machine."""
    return Path("/run/netns", addresses.namespace).exists()


def remove(addresses: Addresses) -> None:
    """Delete the namespace and with it the cable, the routes, all pods' cables and kube-proxy's tables."""
    if exists(addresses):
        _in(addresses, "ip", "link", "delete", addresses.node_link, tolerate=True)
        run("ip", "netns", "delete", addresses.namespace, tolerate=True)


def _in(addresses: Addresses, *command: str, tolerate: bool = False) -> str:
    return run(*inside(addresses.namespace, command), tolerate=tolerate)
