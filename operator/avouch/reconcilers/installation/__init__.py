"""Installation: what avouch needs of the cluster for itself, kept true by the leader.

Belongs here: keys and certificates, the webhook and its APIService, the watchdog over the sidecar's image.

Never here: what users declare (the kinds' reconcilers).
"""
