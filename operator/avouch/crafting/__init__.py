"""Crafting: the state of an attestation under construction, and every step from one state to the next.

Belongs here: what the server said when the run was opened, the state as a frozen value and in its versioned JSON form,
each step as a pure function (materials, annotations), what is still owed and the command that delivers it, the
statement at the end, and the port behind which a state is kept.
Never here: files, networks, clocks, the environment, prompts: the steps get everything as arguments and give back a new
state. Never the server's judgement either: what is checked here saves a user a round trip, no more.
Weight: standard library only, because a build starts the command line for every material; small values are NamedTuples,
which take an eighth of the time that a dataclass takes to be defined.
Who imports it: client and cli. What it imports: attestation (statement side), contract, runners, materials, plan,
findings, digests, rfc3339, values, errors.
"""
