"""Which cells of a workbook are shown as percentages: there 0.15 is read as 15%."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documents.parsing.packages import optional_xml, relationships

if TYPE_CHECKING:
    import zipfile

    Place = tuple[int, int]

_WORKBOOK = "xl/workbook.xml"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_BUILT_IN = frozenset({"9", "10"})
_QUOTED = re.compile(r'"[^"]*"|\\.')
_CELL = re.compile(rb"<c\s([^<>]{1,200})>")
_PLACE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
_STYLE = re.compile(rb'\bs="(\d{1,6})"')
_OTHER_TYPE = re.compile(rb'\bt="(?!n")')
_MOST = 500_000


def percent_cells(archive: zipfile.ZipFile) -> dict[str, set[Place]]:
    """Row and column, from 0, of such cells by the sheet's name; empty for broken styles."""
    styles = _percent_styles(archive)
    root = optional_xml(archive, _WORKBOOK) if styles else None
    if root is None:
        return {}
    parts = relationships(archive, _WORKBOOK)
    names = set(archive.namelist())
    found: dict[str, set[Place]] = {}
    for sheet in root.iter("{*}sheet"):
        _, part = parts.get(sheet.get(_ID) or "", ("", ""))
        if part in names:
            found[sheet.get("name") or ""] = _cells(archive.read(part), styles)
    return found


def _percent_styles(archive: zipfile.ZipFile) -> set[int]:
    root = optional_xml(archive, "xl/styles.xml")
    if root is None:
        return set()
    formats = {
        one.get("numFmtId") or ""
        for one in root.iter("{*}numFmt")
        if "%" in _QUOTED.sub("", one.get("formatCode") or "")
    }
    styles = root.findall("{*}cellXfs/{*}xf")
    return {i for i, one in enumerate(styles) if one.get("numFmtId") in formats | _BUILT_IN}


def _cells(sheet: bytes, styles: set[int]) -> set[Place]:
    found: set[Place] = set()
    for match in _CELL.finditer(sheet):
        place, style = _PLACE.search(match[1]), _STYLE.search(match[1])
        if place and style and int(style[1]) in styles and not _OTHER_TYPE.search(match[1]):
            found.add((int(place[2]) - 1, column_number(place[1]) - 1))
            if len(found) >= _MOST:
                break
    return found


def column_number(letters: bytes) -> int:
    """1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
