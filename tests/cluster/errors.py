"""What can go wrong on the way to a cluster, said so that a person can act on it."""


class ClusterError(Exception):
    """A step failed; the message says which, and where its log is."""


class Impossible(ClusterError):
    """This machine cannot run what was asked for; the message names what is missing."""
