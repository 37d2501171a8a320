"""Workbooks (XLSX, XLS): each sheet a section, each row readable by itself."""

from __future__ import annotations

import re
import struct
from datetime import date, datetime, time
from io import BytesIO
from typing import TYPE_CHECKING

import python_calamine as calamine

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder
from documents.parsing.compound import compound_properties, open_compound, stream_of
from documents.parsing.packages import check_office, core_properties, opened, refuse_entities
from documents.parsing.percents import column_number, percent_cells
from documents.parsing.sniffing import COMPOUND_FILE
from documents.parsing.tables import add_table, names_something, regions

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.parsing.percents import Place
    from documents.types import ParsedDocument

    Cell = int | float | str | bool | time | date | datetime | timedelta

_CELL = re.compile(rb'<c\s[^>]{0,200}?\br="([A-Z]{1,3})(\d{1,7})"')
_MAX_CELLS = 12_000_000
"""Between a sheet's first and last value: the library lays all of them out in memory."""
_FILE_PASS, _END_OF_GLOBALS = 0x002F, 0x000A
_WHOLE = 1e15
_PANIC = "PanicException"


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read every sheet that is not empty, hidden ones too; values as a reader would write them."""
    properties, percents = _checked(path, context)
    builder = DocumentBuilder(context.max_characters)
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(BytesIO(path.read_bytes()))
        worksheet = calamine.SheetTypeEnum.WorkSheet
        sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == worksheet]
        for sheet in sheets:
            if names_something(sheet.name):
                builder.heading(sheet.name, 1)
            _add_sheet(builder, workbook.get_sheet_by_name(sheet.name), percents.get(sheet.name))
    except calamine.PasswordError as error:
        raise ParseError("encrypted", str(error)) from error
    except (calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise ParseError("truncated", f"{type(error).__name__}: {error}"[:300]) from error
    except BaseException as error:
        # Rust's panics have no class that could be imported, and are no ordinary exceptions.
        if type(error).__name__ != _PANIC:
            raise
        raise ParseError("truncated", f"panic: {error}"[:300]) from error
    return builder.build(
        title=properties.pop("title", ""),
        author=properties.pop("author", ""),
        declared_language=properties.pop("language", ""),
        metadata=properties,
    )


def _checked(path: Path, context: ParserContext) -> tuple[dict[str, str], dict[str, set[Place]]]:
    """The file's own properties, and its percentages, after it was held against the limits."""
    with path.open("rb") as file:
        is_compound = file.read(8) == COMPOUND_FILE
    if is_compound:
        with open_compound(path, context) as compound:
            if _has_password(stream_of(compound, "Workbook") or stream_of(compound, "Book")):
                raise ParseError("encrypted", "a password")
            return compound_properties(compound), {}
    with opened(path, context) as archive:
        check_office(archive, b"sheet")
        properties = core_properties(archive)
        refuse_entities(archive)
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                _check_extent(archive.read(name))
        return properties, percent_cells(archive)


def _has_password(workbook: bytes) -> bool:
    """Whether the global records, up to their end, name a password."""
    position = 0
    while position + 4 <= len(workbook):
        kind, length = struct.unpack_from("<HH", workbook, position)
        if kind in (_FILE_PASS, _END_OF_GLOBALS):
            return bool(kind == _FILE_PASS)
        position += 4 + length
    return False


def _check_extent(sheet: bytes) -> None:
    columns = rows = 0
    for match in _CELL.finditer(sheet):
        columns = max(columns, column_number(match.group(1)))
        rows = max(rows, int(match.group(2)))
    if columns * rows > _MAX_CELLS:
        raise ParseError("too_large", f"{rows} rows of {columns} columns")


def _add_sheet(
    builder: DocumentBuilder, sheet: calamine.CalamineSheet, percents: set[Place] | None
) -> None:
    if sheet.start is None:
        return
    left = sheet.start[1]  # Rows come from the first of the sheet, columns from the first used.
    rows = [
        [
            written(cell, as_percent=percents is not None and (number, left + index) in percents)
            for index, cell in enumerate(row)
        ]
        for number, row in enumerate(sheet.iter_rows())
    ]
    for region in regions(rows):
        add_table(builder, region)


def written(value: Cell, *, as_percent: bool = False) -> str:
    """A cell's value as text: 5 and not 5.0, 15% where it is shown so, a day without midnight."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if as_percent and isinstance(value, int | float):
        return f"{round(value * 100, 4):.15g}%"
    if isinstance(value, float):
        is_whole = value.is_integer() and abs(value) < _WHOLE
        return str(int(value)) if is_whole else f"{value:.15g}"
    if isinstance(value, datetime):
        value = value.replace(microsecond=0)
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)
