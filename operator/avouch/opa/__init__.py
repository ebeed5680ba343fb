"""Open Policy Agent, as a program: the only room that runs it.

Belongs here: finding it, what it may do, its limits, its messages in our error tree, what its scripts ask of other
hosts.
Never here: what a policy's answer means (`policy`).
"""
