"""JSON: each value with the names that lead to it; a list of like objects as a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder
from documents.parsing.decoding import decode
from documents.parsing.tables import add_table

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_TITLES = ("title", "name", "headline", "标题")


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read JSON, or one JSON value on each line."""
    value = loaded(decode(path.read_bytes()))
    builder = DocumentBuilder(context.max_characters)
    _add(builder, value)
    stated = value if isinstance(value, dict) else {}
    title = next((stated[name] for name in _TITLES if isinstance(stated.get(name), str)), "")
    return builder.build(title=title)


def loaded(text: str) -> Any:
    """The value. Raises ``ParseError``: ``truncated`` for broken JSON, ``nested`` for depth."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ParseError("nested", "values inside values") from error
    except ValueError as error:
        try:
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        except RecursionError as deep:
            raise ParseError("nested", "values inside values") from deep
        except ValueError:
            raise ParseError("truncated", str(error)) from error


def _add(builder: DocumentBuilder, root: Any) -> None:
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        name, value = stack.pop()
        if isinstance(value, dict):
            stack.extend((_joined(name, key), inner) for key, inner in reversed(value.items()))
        elif isinstance(value, list) and _is_table(value):
            if name:
                builder.add("paragraph", name)
            labels = list(dict.fromkeys(key for row in value for key in row))
            rows = [[_written(row.get(key)) for key in labels] for row in value]
            add_table(builder, [labels, *rows])
        elif isinstance(value, list) and not any(isinstance(v, dict | list) for v in value):
            text = ", ".join(_written(inner) for inner in value)
            builder.add("paragraph", f"{name}: {text}" if name and text else text)
        elif isinstance(value, list):
            stack.extend((name, inner) for inner in reversed(value))
        else:
            text = _written(value)
            builder.add("paragraph", f"{name}: {text}" if name and text else text)


def _is_table(value: list[Any]) -> bool:
    """Whether these are two or more objects of plain values."""
    return len(value) > 1 and all(
        isinstance(row, dict) and not any(isinstance(v, dict | list) for v in row.values())
        for row in value
    )


def _joined(name: str, key: str) -> str:
    return f"{name} › {key}" if name else key


def _written(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
