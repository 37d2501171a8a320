"""The catalogue of log events is what the source logs, and sensitive fields are not written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ragsite.logging import EVENTS, SENSITIVE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("accounts", "documents", "inference", "qa", "ragsite")
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")


def _log_calls() -> list[tuple[str, ast.Call]]:
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "logger"
    ]


def test_every_event_is_a_constant_dotted_name() -> None:
    odd = [
        where
        for where, call in _log_calls()
        if not isinstance(call.args[0], ast.Constant)
        or not EVENT.fullmatch(str(call.args[0].value))
    ]
    assert odd == []


def test_the_catalogue_is_what_the_source_logs() -> None:
    used = {
        str(call.args[0].value)
        for _, call in _log_calls()
        if isinstance(call.args[0], ast.Constant)
    }
    assert used == EVENTS


def test_no_log_call_gives_a_sensitive_field() -> None:
    given = [
        f"{where}: {key.value!r}"
        for where, call in _log_calls()
        for keyword in call.keywords
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict)
        for key in keyword.value.keys
        if isinstance(key, ast.Constant) and key.value in SENSITIVE
    ]
    assert given == []
