"""Processes: one file per long-lived container, and the only place that wires.

Belongs here: reading the environment, building adapters and handing them to use cases and entry points, signals,
logging, metrics, health, and the loops of a process that are about no single run (housekeeping, artifact backends,
policies on the web).
Never here: decisions about contracts, runs or verdicts, SQL, request handling.
Who imports it: only the command line's entry point. What it imports: everything below.
"""
