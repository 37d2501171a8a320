"""The wire form of one server-sent event (WHATWG HTML, section "Server-sent events")."""

from __future__ import annotations

import re

_LINE_END = re.compile(r"\r\n|\n|\r")
_FORBIDDEN_IN_FIELD = re.compile(r"[\r\n\0]")

HEARTBEAT = ": keep-alive\n\n"
"""A comment: keeps proxies from closing a quiet stream, and is invisible to the page."""


def format_event(event: str, data: str, id: str | None = None, retry: int | None = None) -> str:
    r"""Return one event as text, ending in the blank line that makes the browser dispatch it.

    Every line of ``data`` gets a ``data:`` of its own, so no text can end the event or start
    another; the browser joins them by ``\n`` again. ``retry`` is in milliseconds. A line break
    or NUL in ``event`` or ``id`` raises ``ValueError``: there it would forge a field.
    """
    lines: list[str] = []
    if id is not None:
        lines.append(f"id: {_field(id)}")
    if retry is not None:
        lines.append(f"retry: {int(retry)}")
    lines.append(f"event: {_field(event)}")
    # Not str.splitlines: it also splits at U+2028 and others, which the format leaves alone.
    lines.extend(f"data: {line}" for line in _LINE_END.split(data))
    return "\n".join(lines) + "\n\n"


def _field(value: str) -> str:
    if _FORBIDDEN_IN_FIELD.search(value):
        message = "an event name or id must be one line without NUL"
        raise ValueError(message)
    return value
