"""Tekton: its objects and pods, as pure functions over plain Kubernetes JSON.

Belongs here: label names and ownership, which Workflow a run belongs to, the shape of a TaskRun's pod, the injection
patch, reading results, params and literal environment, outcomes of runs.
Never here: API calls, clocks, randomness, logs. Labels are hints; identity is the controller ownerReference.
Weight: standard library only. Who imports it: runners, controlplane and the packages above. What it imports: materials,
plan, image_references, relative_paths, names, storable, spelling, errors, rfc3339.
All of a pod but /tekton/results is internal to Tekton, so an unexpected shape is refused, never guessed.
"""
