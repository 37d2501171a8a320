"""The one list of the stack's processes: the embedded stack and the Compose file run the same.

Each command is what follows ``python``.
"""

from __future__ import annotations

Command = tuple[str, ...]

LOCAL_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

INGEST_CONCURRENCY = 1
ANSWER_CONCURRENCY = 4


def prepare() -> Command:
    """Migrations, static files and translations. Safe to run again; ends by itself."""
    return ("manage.py", "prepare")


def web(host: str = LOCAL_HOST, port: int = DEFAULT_PORT) -> Command:
    return (
        *("-m", "uvicorn", "ragsite.asgi:application"),
        *("--host", host, "--port", str(port)),
        *("--lifespan", "off", "--no-access-log", "--no-server-header"),
        # Streams of answers stay open; they resume at the next server.
        *("--log-level", "warning", "--timeout-graceful-shutdown", "3"),
    )


def ingest_worker(concurrency: int = INGEST_CONCURRENCY) -> Command:
    """Documents: separate processes, each renewed before it grows too large."""
    return (
        *_worker("ingest", "prefork", concurrency, queues="documents,ingest"),
        *("--max-tasks-per-child", "200"),
    )


def answers_worker(concurrency: int = ANSWER_CONCURRENCY) -> Command:
    """Questions: threads of one process, so that the models are loaded once."""
    return _worker("answers", "threads", concurrency)


def beat(schedule: str) -> Command:
    return (
        *("-m", "celery", "--quiet", "--app", "ragsite", "beat"),
        *("--loglevel", "WARNING", "--schedule", schedule, "--pidfile", ""),
    )


def _worker(queue: str, pool: str, concurrency: int, *, queues: str = "") -> Command:
    return (
        *("-m", "celery", "--quiet", "--app", "ragsite", "worker", "--queues", queues or queue),
        *("--hostname", f"{queue}@%h", "--pool", pool, "--concurrency", str(concurrency)),
        *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
    )
