"""Events about pods that admission left alone, on the TaskRuns that own them."""

from dataclasses import dataclass

from avouch.kube import events, resources
from avouch.tekton import labels


@dataclass(frozen=True, slots=True)
class PodEvents:
    """Implements `admission.app.Teller`."""

    recorder: events.Recorder

    async def not_injected(self, namespace: str, owner: labels.Owner, why: str) -> None:
        """The Event `SidecarNotInjected`; one that cannot be written is logged."""
        subject = events.reference(resources.TASKRUNS, namespace, owner.name, owner.uid)
        await self.recorder.record(subject, events.Event("SidecarNotInjected", why, action="Inject", warning=True))
