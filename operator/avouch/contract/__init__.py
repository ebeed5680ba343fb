"""What a contract means: pure decisions over its text and over what a run delivered.

Here: the table of material types, reading a Contract object into domain values, its canonical form and digest, lint
and diff, Chainloop's own forms of a contract, the plan of a Workflow, readers that check that bytes are what their type
says (official schemas lie in `schemas`, with their licences), detection of types, archives of materials, completeness;
where a run is made (`runners`), for which commit, and what looks like a credential.

Never here: I/O, the clock, the network, a log; policies are not evaluated here. Below: `tekton`, `api`, `plan`,
`digests`, `errors`. Above may import: attestation, controlplane and everything over them.
"""
