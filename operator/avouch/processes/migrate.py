"""`avouch migrate`: bring the schema up to date, then exit. Safe to run again and side by side."""

import logging
import os

from avouch import errors
from avouch.processes import logs
from avouch.store import migrate

_log = logging.getLogger(__name__)


def main() -> int:
    """Migrate the database of AVOUCH_DATABASE_URL. Returns the exit code."""
    logs.configure("INFO")
    url = os.environ.get("AVOUCH_DATABASE_URL", "")
    if not url:
        _log.error("cannot start: AVOUCH_DATABASE_URL is not set")
        return 2
    try:
        migrate.migrate(url)
    except errors.AvouchError as exc:
        _log.error("not migrated: %s", exc)
        return 1
    _log.info("the schema is up to date")
    return 0
