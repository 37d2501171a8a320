"""What was filled into the fields of a PDF form, as pieces of text beside their labels."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pypdfium2.raw as pdfium

from documents.parsing.builder import one_line
from documents.parsing.layout import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from documents.parsing.layout import Box

_MOST_SLANT = 5
"""Degrees that scanned pages may be off."""
_FIELD_TYPES = frozenset(
    {pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX}
)
_PASSWORD = 1 << 13
_MOST_FIELDS = 2_000
_MOST_VALUE_BYTES = 64 * 1024
_LARGEST_SIZE = 10.0
_LABEL_ABOVE = 24.0
"""Points above a field within which its label is looked for."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """How a page is shown: which part of its space, and turned by how much."""

    shown: Box
    rotation: int
    """Degrees clockwise: 0, 90, 180 or 270."""

    def box(self, box: Box) -> Box:
        """A box of the page's space, from the lower left corner of the page as it is shown."""
        left, bottom, right, top = self.shown
        if self.rotation == 90:
            box = (box[1] - bottom, right - box[2], box[3] - bottom, right - box[0])
        elif self.rotation == 180:
            box = (right - box[2], top - box[3], right - box[0], top - box[1])
        elif self.rotation == 270:
            box = (top - box[3], box[0] - left, top - box[1], box[2] - left)
        else:
            box = (box[0] - left, box[1] - bottom, box[2] - left, box[3] - bottom)
        return (round(box[0], 1), round(box[1], 1), round(box[2], 1), round(box[3], 1))

    def turn(self, x: float, y: float) -> int:
        """The direction of writing, from that in the page's space; -1 where it is slanted."""
        degrees = math.degrees(math.atan2(y, x)) - self.rotation
        nearest = round(degrees / 90) * 90
        return nearest % 360 if abs(degrees - nearest) <= _MOST_SLANT else -1


def filled_fields(document: Any, page: Any, sheet: Sheet) -> Iterator[Piece]:
    """Values of text fields and choices of a page; what is ticked or secret is left out."""
    form = document.formenv.raw
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page.raw), _MOST_FIELDS)):
        field = pdfium.FPDFPage_GetAnnot(page.raw, index)
        if not field:
            continue
        try:
            value = _value(form, field)
            rect = pdfium.FS_RECTF()
            if value and pdfium.FPDFAnnot_GetRect(field, rect):
                box = sheet.box((rect.left, rect.bottom, rect.right, rect.top))
                size = min(_LARGEST_SIZE, max(1.0, round(0.7 * (box[3] - box[1]), 1)))
                base = (box[1] + box[3] - 0.7 * size) / 2
                yield Piece(value, box, (box[0], base), size)
        finally:
            pdfium.FPDFPage_CloseAnnot(field)


def _value(form: Any, field: Any) -> str:
    if pdfium.FPDFAnnot_GetSubtype(field) != pdfium.FPDF_ANNOT_WIDGET:
        return ""
    if pdfium.FPDFAnnot_GetFormFieldType(form, field) not in _FIELD_TYPES:
        return ""
    if pdfium.FPDFAnnot_GetFormFieldFlags(form, field) & _PASSWORD:
        return ""
    length = pdfium.FPDFAnnot_GetFormFieldValue(form, field, None, 0)
    if not 2 < length <= _MOST_VALUE_BYTES:
        return ""
    buffer = ctypes.create_string_buffer(length)
    units = ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR))
    pdfium.FPDFAnnot_GetFormFieldValue(form, field, units, length)
    return one_line(buffer.raw[: length - 2].decode("utf-16-le", errors="replace"))


def place_of(value: Piece, pieces: Sequence[Piece]) -> int:
    """Where in ``pieces`` a field's value is read: after its label, to the left of it or above."""
    left, bottom, right, top = value.box
    middle = (bottom + top) / 2
    best, nearest = len(pieces), math.inf
    for index, piece in enumerate(pieces):
        if piece.turn != value.turn:
            continue
        is_beside = piece.box[1] <= middle <= piece.box[3] and piece.box[2] <= left + 2
        is_above = (
            0 <= piece.box[1] - top + 2 <= _LABEL_ABOVE
            and piece.box[0] < right
            and left < piece.box[2]
        )
        if is_beside or is_above:
            distance = left - piece.box[2] if is_beside else piece.box[1] - top + _LABEL_ABOVE
            if distance < nearest:
                best, nearest = index + 1, distance
    return best
