"""The program inside a TaskRun's pod: waits for the steps, collects what the plan asks for, signs it and pushes it.

Belongs here: the wait by file protocol, discovery, collection, the claim and its push.
Never here: deciding what is owed (the server tells), anything that could fail a build. Exit code 0, always.
Weight: while steps run, only what `__main__` imports (os, sys, time, json, signal): it costs memory in each pod.
Later standard library and cryptography. Who imports it: nobody. What it imports: attestation, tekton, materials, plan,
refusals, image_references, relative_paths, names, digests, https, pem, storable, clocks, errors.
"""
