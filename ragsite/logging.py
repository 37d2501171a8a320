"""Every event this project logs, by name, and how a line is written.

Code logs with the standard library: ``logger.info("answer.done", extra={"answer_id": 7})``. The
names are listed here, a test compares the list with the source, and a filter drops what must never
be written: the text of questions, answers and documents, vectors, keys and passwords.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being served, or ``""``."""

EVENTS: frozenset[str] = frozenset(
    {
        "answer.chat_model.unavailable",
        "answer.claim.lost",
        "answer.embedder.unavailable",
        "answer.enqueue.failed",
        "answer.events.not_dropped",
        "answer.events.not_published",
        "answer.events.not_read",
        "answer.failed",
        "answer.worker.lost",
        "delivery.claim.lost",
        "delivery.failed",
        "delivery.finished",
        "document.claim.lost",
        "document.failed",
        "document.indexed",
        "document.page.failed",
        "document.postponed",
        "document.reader.killed",
        "index.build.done",
        "index.build.failed",
        "index.build.lost",
        "measurement.ended",
        "measurement.worker.lost",
        "model.not_loaded",
        "parser.unguarded",
        "reranker.tried",
        "task.enqueue.failed",
        "worker.heartbeat.failed",
        "worker.queue.not_read",
        "worker.warm_up.completed",
        "worker.warm_up.started",
    }
)
"""Names of all events in the source, in the form ``noun.verb`` or ``noun.part.verb``."""

SENSITIVE = frozenset(
    {
        "answer",
        "api_key",
        "authorization",
        "body",
        "content",
        "cookie",
        "key",
        "passage",
        "password",
        "prompt",
        "query",
        "question",
        "secret",
        "text",
        "token",
        "vector",
    }
)
"""Names of extra fields whose values are never written."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """The fields given as ``extra``, with sensitive values replaced."""
    found = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {
        key: "[redacted]" if key.lower() in SENSITIVE else value for key, value in found.items()
    }


class RequestIdFilter(logging.Filter):
    """Adds the current request's id to a record that has none."""

    def filter(self, record: logging.LogRecord) -> bool:
        name = request_id.get()
        if name and not hasattr(record, "request_id"):
            record.request_id = name
        return True


class ReadableFormatter(logging.Formatter):
    """``12:04:31 INFO answer.done answer_id=7``, with the traceback below it if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC).astimezone()
        fields = "".join(
            f" {key}={_readable(value)}" for key, value in extras(record).items() if _plain(key)
        )
        line = f"{at:%H:%M:%S} {record.levelname} {record.getMessage()}{fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per line, for a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update((key, value) for key, value in extras(record).items() if _plain(key))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def logging_settings(*, level: str, as_json: bool) -> dict[str, Any]:
    """The ``LOGGING`` dictionary: one handler, to standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "ragsite.logging.RequestIdFilter"}},
        "formatters": {
            "line": {
                "()": "ragsite.logging.JsonFormatter"
                if as_json
                else "ragsite.logging.ReadableFormatter"
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": sys.stderr,
                "formatter": "line",
                "filters": ["request_id"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # One line per request or task start says nothing that a page or a row does not.
            "django.server": {"level": "WARNING"},
            "uvicorn.access": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.request": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "sentence_transformers": {"level": "WARNING"},
        },
    }


def _plain(key: str) -> bool:
    # Django and Celery attach whole objects (request, data, ...); only plain fields are written.
    return key not in {"request", "response", "server_time", "status_code", "data"}


def _readable(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    shown = str(value)
    return json.dumps(shown, ensure_ascii=False) if " " in shown or "\n" in shown else shown
