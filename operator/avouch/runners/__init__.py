"""Runner contexts: where an attestation is made, told from the environment alone.

Here: the one table of runners, in the order in which they are recognised; what each lets us record; whether a contract
is content with the one that was found.

Never here: reading the environment, files or the network: all of it comes in as arguments. What a runner says of itself
is a claim; that it is true is for those to say who verify its token. Imports: the standard library, `api.vocabulary`,
`errors`, `tekton.downward`, and `runners.credentials`, so that a command line loads nothing heavy.
"""
