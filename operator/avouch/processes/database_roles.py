"""`avouch database-roles`: SQL for the administrator of a database whose owner may create no roles."""

import sys

from avouch.store import grants


def main() -> int:
    """Print it. Returns the exit code."""
    sys.stdout.write(grants.script())
    return 0
