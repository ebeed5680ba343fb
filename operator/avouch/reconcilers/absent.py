"""What the database knows and the cluster does not: deleted while no controller ran, so no watch will ever say so."""

from collections.abc import Collection

from avouch.kube.cache import Key, Object
from avouch.reconcilers.world import World


async def absent(world: World, live: Collection[Key]) -> list[tuple[Key, Object | None]]:
    """Every recorded object that is not among the live ones, with what is known of it."""
    workflows = await world.workflows.keys()
    known: list[tuple[Key, Object | None]] = [
        (Key("Workflow", namespace, name), {"metadata": {"namespace": namespace, "name": name, "uid": uid}})
        for namespace, name, uid in workflows
    ]
    for namespace in sorted({key[0] for key in workflows}):
        attachments = await world.workflows.attachments(namespace)
        known += [(Key("IntegrationAttachment", namespace, attachment.name), None) for attachment in attachments]
    known += [
        (Key("CASBackend", namespace, name), {"metadata": {"namespace": namespace, "name": name, "uid": uid}})
        for namespace, name, uid in await world.backends.keys()
    ]
    tokens = await world.issuing.store.keys()
    known += [(Key("APIToken", namespace, name), None) for namespace, name, _ in tokens]
    known += [(Key("Organization", "", name), None) for name in await world.organisations.names()]
    return [(key, old) for key, old in known if key not in live]
