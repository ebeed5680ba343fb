"""What a contract means: pure decisions about its text and about what a run delivered.

Belongs here: reading a Contract object into domain values (`model`), its canonical form and digest (`revisions`), lint,
warnings and diff, Chainloop's own forms of a contract, the plan of a Workflow, completeness of what was delivered,
what a Workflow names and nothing has (`mapping`), references to policies, and what a contract owes once they are
looked up (`owed`, and as users read it `owedview`).
Never here: I/O, the clock, the network, a log; evaluating policies. Material types are in `materials`,
CI systems in `runners`.
Who imports it: controlplane, crafting and every layer above. What it imports: runners, tekton, api, materials, plan,
findings, digests, spelling, values, errors.
"""
