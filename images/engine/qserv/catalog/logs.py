"""JSON logs, one object a line on standard error, with the query or transaction that a line belongs to.

``bound(query="q-1")`` marks all that is logged inside of it, also in the libraries' own logs; each thread and asyncio
task has its own marks. What must not be told never comes here: passwords, tokens, users' rows.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager

import structlog


def configure(process: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's logs through one JSON writer; ``process`` is on each line."""

    def name_process(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = process
        return event

    shared: list[structlog.typing.Processor] = [
        name_process,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "uvicorn.access", "alembic", "sqlglot"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    return structlog.stdlib.get_logger(name)


def bound(**facts: str | int) -> AbstractContextManager[object]:
    """Mark all log lines inside of a ``with`` block: ``bound(query=…)``, ``bound(transaction=…)``."""
    return structlog.contextvars.bound_contextvars(**facts)
