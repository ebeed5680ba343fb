"""Logs as JSON lines on standard error, for every process. Packages log through the standard library only."""

import json
import logging
import sys
from datetime import UTC, datetime

from avouch import rfc3339

_LOUD = ("httpx", "httpcore", "uvicorn.access")  # a line for each request would drown the rest
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}  # what is no `extra`


class Lines(logging.Formatter):
    """A record as one line of JSON: `message`, `level`, `logger`, `timestamp`, each `extra`, and `exception`.

    Newlines and ANSI that users smuggle into names are escaped.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {key: value for key, value in record.__dict__.items() if key not in _OWN}
        line |= {
            "message": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": rfc3339.to_microseconds(datetime.fromtimestamp(record.created, UTC)),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=repr)


def configure(level: str) -> None:
    """Send every record of the process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
