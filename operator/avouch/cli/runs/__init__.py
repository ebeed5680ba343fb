"""`avouch run`: what became of builds, and their signed evidence, through the Kubernetes API as the user may use it.

`finding` knows the runs that somebody means, `page` how one is shown; the others have a command each, or a few.
"""
