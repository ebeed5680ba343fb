"""Runners: the CI systems that attestations are made in, and what may be recorded of them.

Belongs here: the one table of runners in the order in which they are recognised, what each lets us record, links to a
run, facts about commits and pull requests, questions to a forge, and what looks like a credential.
Never here: reading the environment, files or the network: all of it arrives as arguments. What a runner reports
is a claim; `oidc` and `controlplane.intake` verify it.
Weight: standard library only, because the command line imports it for each material.
Who imports it: contract, ci, crafting, controlplane, cli. What it imports: api.vocabulary, tekton.downward, values,
errors.
"""
