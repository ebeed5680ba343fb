"""The CI job around us: what of it is read from files and from its own services, for `contract` to judge.

Never here: decisions about runners, credentials and commits; they are `contract`'s, and pure. Below: `contract`,
`errors`. Above may import: processes, which hands it to the command line.
"""
