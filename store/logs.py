"""Log lines of a process, as text for people or as JSON for programs, with the ids of what was being worked on."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_ids: ContextVar[dict[str, str | int] | None] = ContextVar("log_ids", default=None)


@contextmanager
def log_ids(**ids: str | int) -> Iterator[None]:
    """Every line of JSON that this thread or task writes meanwhile has these ids, such as job_id and attempt. A thread
    that is started meanwhile has them if it runs in a copy of the context (contextvars.copy_context)."""
    token = _ids.set({**(_ids.get() or {}), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


class JsonFormatter(logging.Formatter):
    """One line of JSON for each record: at (RFC 3339), level, logger, message, the ids, and exception where there is
    one. Line ends inside are escaped, so that nobody can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, str | int] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(_ids.get() or {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure_logs(log_format: LogFormat) -> None:
    """Write what all loggers say, from the level info on, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for talkative in ("celery", "alembic", "httpx", "botocore", "boto3", "s3transfer", "urllib3"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
