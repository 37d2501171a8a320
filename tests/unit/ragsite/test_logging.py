"""How a log line is written, and what is never in it."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from ragsite.logging import (
    SENSITIVE,
    JsonFormatter,
    ReadableFormatter,
    RequestIdFilter,
    extras,
    request_id,
)


def _record(**extra: Any) -> logging.LogRecord:
    logger = logging.getLogger("qa.answering")
    return logger.makeRecord(
        logger.name, logging.INFO, __file__, 1, "answer.done", (), None, extra=extra
    )


def test_a_readable_line_has_time_level_event_and_fields() -> None:
    line = ReadableFormatter().format(_record(answer_id=7, seconds=1.23456, why="two words"))
    assert line.endswith('INFO answer.done answer_id=7 seconds=1.235 why="two words"')


def test_a_json_line_is_one_object() -> None:
    line = json.loads(JsonFormatter().format(_record(answer_id=7)))
    assert line["event"] == "answer.done"
    assert line["answer_id"] == 7
    assert line["logger"] == "qa.answering"


@pytest.mark.parametrize("formatter", [ReadableFormatter(), JsonFormatter()])
@pytest.mark.parametrize("name", sorted(SENSITIVE))
def test_a_sensitive_field_is_never_written(formatter: logging.Formatter, name: str) -> None:
    line = formatter.format(_record(**{name: "my-private-words"}))
    assert "my-private-words" not in line
    assert "[redacted]" in line


def test_redaction_looks_at_names_whatever_their_case() -> None:
    assert extras(_record(Password="x")) == {"Password": "[redacted]"}


def test_an_object_that_a_framework_attaches_is_left_out() -> None:
    assert "request" not in ReadableFormatter().format(_record(request=object()))


def test_a_newline_in_a_field_cannot_forge_a_line() -> None:
    assert "\n" not in ReadableFormatter().format(_record(name_of="a\nINFO forged"))


def test_a_record_carries_the_id_of_the_request_being_served() -> None:
    record = _record()
    token = request_id.set("abc123")
    try:
        assert RequestIdFilter().filter(record) is True
    finally:
        request_id.reset(token)
    assert extras(record) == {"request_id": "abc123"}


def test_outside_a_request_there_is_no_id() -> None:
    record = _record()
    RequestIdFilter().filter(record)
    assert extras(record) == {}


def test_a_traceback_follows_its_line() -> None:
    try:
        raise ValueError
    except ValueError:
        record = _record()
        record.exc_info = sys.exc_info()
    assert "ValueError" in ReadableFormatter().format(record).splitlines()[-1]
    assert "ValueError" in json.loads(JsonFormatter().format(record))["exception"]
