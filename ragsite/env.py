"""Typed reading of environment variables. Every name read is documented in ``.env.example``.

An empty value counts as none: Compose passes what is not set as the empty text.

A variable that holds a secret may instead be given as ``NAME_FILE``, the path of a file with the
value, as container platforms mount them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    value = text(name)
    if not value:
        return default
    lowered = value.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    message = f"{name} must be 1 or 0, not {value!r}."
    raise ImproperlyConfigured(message)


def number(name: str, default: int, *, minimum: int = 0) -> int:
    value = text(name)
    if not value:
        return default
    try:
        parsed = int(value)
    except ValueError as error:
        message = f"{name} must be a whole number, not {value!r}."
        raise ImproperlyConfigured(message) from error
    if parsed < minimum:
        message = f"{name} must be at least {minimum}, not {parsed}."
        raise ImproperlyConfigured(message)
    return parsed


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list; empty items are dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def secret(name: str) -> str:
    """The value of ``NAME``, or the content of the file that ``NAME_FILE`` names, or ``""``."""
    value = text(name)
    path = text(f"{name}_FILE")
    if value or not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{name}_FILE names {path}, which cannot be read: {error.strerror}."
        raise ImproperlyConfigured(message) from error


def kept_secret(path: Path) -> str:
    """The secret in ``path``, which is created with a random one, readable by its owner only."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    value = secrets.token_urlsafe(50)
    # Written beside and linked into place: of two processes that start at once, the first wins
    # and both read the same whole value.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        value = path.read_text(encoding="utf-8").strip()
    finally:
        draft.unlink()
    return value


def database(url: str, *, pool_size: int = 0) -> dict[str, Any]:
    """Django's settings for a ``postgresql://user:password@host:port/name?option=value`` URL.

    A percent-encoded path in the host's place is the folder of a Unix socket. ``pool_size`` > 0
    keeps that many connections per process; otherwise each request opens its own.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in {"postgresql", "postgres"} or not name:
        message = "DATABASE_URL must look like postgresql://user:password@host:5432/name."
        raise ImproperlyConfigured(message)
    _, _, address = parts.netloc.rpartition("@")
    host, port = _split_address(address)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    options.setdefault("connect_timeout", 10)
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(options.pop("host", host)),
        "PORT": port,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": options,
    }


def broker(redis_url: str) -> str:
    """The Celery broker address of a redis-py URL (they spell Unix sockets differently)."""
    if redis_url.startswith("unix://"):
        path, _, query = redis_url.removeprefix("unix://").partition("?")
        database = dict(parse_qsl(query)).get("db", "")
        return f"redis+socket://{path}" + (f"?virtual_host={database}" if database else "")
    return redis_url


def _split_address(address: str) -> tuple[str, str]:
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = address.partition(":")
    return host, port


def require(values: Mapping[str, object]) -> None:
    """Raise ``ImproperlyConfigured`` that names each variable without a value."""
    missing = [name for name, value in values.items() if not value]
    if missing:
        names = ", ".join(missing)
        message = f"Set {names}: an installation with its own DATABASE_URL has no defaults for it."
        raise ImproperlyConfigured(message)
