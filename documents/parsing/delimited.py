"""Tables as text: CSV and TSV, with whatever comes between the values."""

from __future__ import annotations

import csv
from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, clean
from documents.parsing.decoding import decode
from documents.parsing.tables import add_table, regions

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_DELIMITERS = ",;\t|，"
_SAMPLE_LINES = 50
_SAMPLE_CHARACTERS = 200_000
_LONGEST_CELL = 2_000_000


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a table of values in any common encoding, with any common delimiter."""
    text = clean(decode(path.read_bytes()))
    delimiter = ""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first) == 5:  # as Excel says it
        delimiter, text = first[4], rest
    csv.field_size_limit(_LONGEST_CELL)
    builder = DocumentBuilder(context.max_characters)
    try:
        rows = list(_rows(text, delimiter or _delimiter_of(text)))
    except csv.Error as error:
        raise ParseError("too_large", f"a value is too long: {error}") from error
    for region in regions(rows):
        add_table(builder, region)
    return builder.build()


def _rows(text: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True))


def _delimiter_of(text: str) -> str:
    """The one that cuts most of the first lines into the same number of values, two or more."""
    sample = "\n".join(text[:_SAMPLE_CHARACTERS].split("\n")[:_SAMPLE_LINES])
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in _rows(sample, delimiter) if any(row)]
        except csv.Error:
            continue
        width, count = Counter(widths).most_common(1)[0] if widths else (1, 0)
        score = count / len(widths) if width > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best
