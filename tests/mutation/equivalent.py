"""Faults that change nothing anybody could see: module below operator/avouch and name of the fault, and the reason."""

EQUIVALENT: dict[tuple[str, str], str] = {}
