"""CI: what the machine of a job knows (commit, forge, identity, pod), and where it shows a report.

Belongs here: running git, reading files that runners put down, questions to forges and to the runner's own services.
Never here: which runner it is, what is recorded, what looks like a credential, what answers mean: that is `runners`',
and pure. Nothing here fails a job: what cannot be had comes back as a note, for people.
Weight: standard library only, each module what it needs; a command that needs no network must not import this.
Who imports it: processes, which hand it to the command line. What it imports: runners, api.vocabulary, tekton.downward,
https, names, errors.
"""
