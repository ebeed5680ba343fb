"""What an integration is: something that sends one delivery, or says why it could not."""

from avouch import errors
from avouch.controlplane.model import deliveries

Integration = deliveries.Integration


class GaveUp(errors.Denied):
    """The receiver's answer says that trying again is pointless."""
