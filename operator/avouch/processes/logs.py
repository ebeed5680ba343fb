"""Logs as JSON lines on standard error, for every process. Rooms log through the standard library only."""

import logging
import sys

import structlog

_LOUD = ("httpx", "httpcore", "uvicorn.access", "procrastinate")  # a line for each request or job would drown the rest


def configure(level: str) -> None:
    """Send every record of the process through structlog's JSON renderer."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(),  # escapes newlines and ANSI that users smuggle into names
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
