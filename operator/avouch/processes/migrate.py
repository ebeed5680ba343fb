"""`avouch migrate`: wait for the database, bring its schema up to date, then exit. Safe to run again, side by side."""

import logging
import os
import time

from avouch import errors
from avouch.processes import logs
from avouch.store import migrate

_log = logging.getLogger(__name__)

_PATIENCE = 120.0  # seconds to wait for a database that starts beside us; then the container is started again
_PAUSE = 2.0  # seconds between tries


def main() -> int:
    """Migrate the database of AVOUCH_DATABASE_URL. Returns the exit code."""
    logs.configure("INFO")
    url = os.environ.get("AVOUCH_DATABASE_URL", "")
    if not url:
        _log.error("cannot start: AVOUCH_DATABASE_URL is not set")
        return 2
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            migrate.migrate(url)
            break
        except errors.Unavailable as exc:
            if time.monotonic() > deadline:
                _log.error("cannot migrate the schema: %s", exc)
                return 1
            _log.info("waiting for the database: %s", exc)
            time.sleep(_PAUSE)
        except errors.AvouchError as exc:
            _log.error("cannot migrate the schema: %s", exc)
            return 1
    _log.info("the schema is up to date")
    return 0
