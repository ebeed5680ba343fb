"""Reading: documents of other people are read in processes of their own, which can be killed.

Belongs here: the process that reads (`child`), what it cannot do (`confinement`), what both sides say to
each other (`wire`), and who is read next in how many processes (`process`, `turns`, `pool`).

Never here: what a document must look like (materials), what a flaw means for a run (controlplane).
"""
