"""Pages without text, read from their picture by a recogniser (tesseract), into printed lines."""

from __future__ import annotations

import csv
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pypdfium2

from documents.parsing.base import ParseError
from documents.parsing.builder import joint, one_line
from documents.parsing.layout import CELL_GAP, Piece, lay_out, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from documents.parsing.base import Recogniser
    from documents.parsing.layout import Box, PrintedLine
    from documents.types import Language

DPI = 300
_MOST_PIXELS = 9_000_000
"""Larger pages are rendered with fewer dots per inch."""
_POINTS_PER_INCH = 72
_DARK = bytes(value < 160 for value in range(256))
_LEAST_DARK = 0.0002
"""Share of dark dots below which a page is blank, but for dust."""
_LEAST_WORD = 20.0
"""Words that the recogniser is less sure of, in percent, are specks and lines."""
_LEAST_PAGE = 40.0
"""A page of words that it is on average less sure of is a photograph."""
_SURE = 80.0
_DOUBTFUL = 60.0
_MOST_TRIALS = 4
_SIZE_OF_HEIGHT = 1.2
"""Font size, by the height of most words: some have strokes above and below, some have not."""
_LARGER_HEIGHT = 1.5
_LARGER_WIDTH = 1.2
"""Heights of recognised lines vary; only ones this much higher and wider are taken for larger."""
_LATIN = ("eng", "deu", "fra", "spa", "ita", "por", "nld", "pol", "swe", "dan", "nor", "fin", "tur")
_NO_LANGUAGE = frozenset({"osd", "equ", "snum"})
_TESSERACT_NAMES = {
    "zh": ("chi_sim", "chi_tra"),
    "ja": ("jpn",),
    "ko": ("kor",),
    "ru": ("rus",),
    "ar": ("ara",),
}
_MOST_LATIN = 4


@dataclass(frozen=True, slots=True)
class _Picture:
    """A page in shades of grey, as PNM."""

    data: bytes
    dpi: float
    height: int
    is_blank: bool


@dataclass(frozen=True, slots=True)
class _Word:
    line: tuple[int, int, int]
    text: str
    box: Box
    """In dots from the upper left corner."""
    sureness: float


@dataclass(slots=True)
class PageReader:
    """Reads pages of one document, as long as time is left.

    ``recogniser`` is None where none is installed; ``language`` is that of the pages with text, or
    ``""``. Page numbers are from 1.
    """

    recogniser: Recogniser | None
    time_limit_s: float
    language: Language = ""
    read: list[int] = field(default_factory=list)
    """Pages whose text comes from their picture."""
    unread: list[int] = field(default_factory=list)
    """Pages that are not blank and could not be read."""
    _languages: tuple[str, ...] = ()
    _used_s: float = 0.0

    @property
    def is_available(self) -> bool:
        return self.recogniser is not None and bool(self._candidates(self.recogniser))

    def lines(self, document: Any, number: int) -> list[PrintedLine]:
        """The lines of page ``number``; none when it is blank or cannot be read."""
        try:
            picture = _picture(document, number - 1)
        except pypdfium2.PdfiumError:
            return []
        if picture.is_blank:
            return []
        if not self.is_available or self._used_s >= self.time_limit_s:
            self.unread.append(number)
            return []
        begun = time.monotonic()
        try:
            words = self._words(picture)
        except ParseError:
            self.unread.append(number)
            return []
        finally:
            self._used_s += time.monotonic() - begun
        lines = lay_out(list(_pieces(words, picture)), number)
        if lines:
            self.read.append(number)
        return lines

    def forget(self, number: int) -> None:
        """Take back that page ``number`` was read: nothing of it was used."""
        if number in self.read:
            self.read.remove(number)

    def _words(self, picture: _Picture) -> list[_Word]:
        """The words in the languages in which most is certain.

        The first page is tried until one of them fits; later ones only where it does not.
        """
        recogniser = self.recogniser
        if recogniser is None:
            return []
        candidates = self._candidates(recogniser)
        enough = _DOUBTFUL if self._languages else _SURE
        if self._languages:
            candidates = [self._languages, *(one for one in candidates if one != self._languages)]
        best: list[_Word] = []
        for languages in candidates[:_MOST_TRIALS]:
            words = _parsed(recogniser.read(picture.data, languages, round(picture.dpi)))
            if _score(words) > _score(best):
                best, chosen = words, languages
                if _sureness(words) >= enough:
                    break
        if _sureness(best) < _LEAST_PAGE:
            return []
        if not self._languages and _sureness(best) >= _DOUBTFUL:
            self._languages = chosen
        return best

    def _candidates(self, recogniser: Recogniser) -> list[tuple[str, ...]]:
        """Languages to be tried together, the likely ones first."""
        installed = [name for name in recogniser.languages if name not in _NO_LANGUAGE]
        latin = tuple(name for name in _LATIN if name in installed)[:_MOST_LATIN]
        expected = _TESSERACT_NAMES.get(self.language, ())
        others = sorted(
            (name for name in installed if name not in _LATIN and not name.endswith("_vert")),
            key=lambda name: (name not in expected, not name.startswith("chi_sim"), name),
        )
        # Together with English they take twice the time, and read ideographs as Latin letters.
        found: list[tuple[str, ...]] = [(name,) for name in others]
        if latin:
            found.insert(0 if self.language not in _TESSERACT_NAMES else len(expected), latin)
        return found


def _picture(document: Any, index: int) -> _Picture:
    page = document[index]
    try:
        width, height = page.get_size()
        inches = max(width * height, 1.0) / _POINTS_PER_INCH**2
        dpi = min(float(DPI), (_MOST_PIXELS / inches) ** 0.5)
        bitmap = page.render(scale=dpi / _POINTS_PER_INCH, grayscale=True)
        try:
            data = _rows(bitmap)
            header = f"P5\n{bitmap.width} {bitmap.height}\n255\n".encode()
            dark = data.translate(_DARK).count(1)
            is_blank = dark < _LEAST_DARK * len(data)
            return _Picture(header + data, dpi, int(bitmap.height), is_blank)
        finally:
            bitmap.close()
    finally:
        page.close()


def _rows(bitmap: Any) -> bytes:
    """The dots without the padding at the end of each row."""
    data = bytes(bitmap.buffer)
    if bitmap.stride == bitmap.width:
        return data
    starts = range(0, bitmap.height * bitmap.stride, bitmap.stride)
    return b"".join(data[start : start + bitmap.width] for start in starts)


def _parsed(table: str) -> list[_Word]:
    words = []
    for row in csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        try:
            sureness = float(row["conf"])
            text = one_line(row["text"] or "")
            left, top = float(row["left"]), float(row["top"])
            width, height = float(row["width"]), float(row["height"])
            line = (int(row["block_num"]), int(row["par_num"]), int(row["line_num"]))
        except (KeyError, TypeError, ValueError):
            continue
        if text and sureness >= 0 and width > 0 and height > 0:
            words.append(_Word(line, text, (left, top, left + width, top + height), sureness))
    return words


def _sureness(words: Sequence[_Word]) -> float:
    """In percent, by character; 0 without words."""
    characters = sum(len(word.text) for word in words)
    return sum(word.sureness * len(word.text) for word in words) / max(characters, 1)


def _score(words: Sequence[_Word]) -> float:
    """How much was read for certain. A language that drops what it cannot read scores less."""
    return sum(max(0.0, word.sureness - _LEAST_PAGE) * _width(word) for word in words)


def _width(word: _Word) -> float:
    return word.box[2] - word.box[0]


def _pieces(words: Sequence[_Word], picture: _Picture) -> Iterator[Piece]:
    lines = list(_by_line(words))
    if not lines:
        return
    scale = _POINTS_PER_INCH / picture.dpi
    usual_height = statistics.median(_height(line) for line in lines)
    usual_width = statistics.median(_letter_width(line) for line in lines)
    for line in lines:
        height = _height(line)
        is_larger = (
            height >= _LARGER_HEIGHT * usual_height
            and _letter_width(line) >= _LARGER_WIDTH * usual_width
        )
        size = round((height if is_larger else usual_height) * _SIZE_OF_HEIGHT * scale, 1)
        frame = union([word.box for word in line])
        base = (picture.height - frame[3]) * scale
        for part in _without_gaps(line, CELL_GAP * size / scale):
            left, top, right, bottom = union([word.box for word in part])
            box = (
                round(left * scale, 1),
                round((picture.height - bottom) * scale, 1),
                round(right * scale, 1),
                round((picture.height - top) * scale, 1),
            )
            text = _text([word for word in part if word.sureness >= _LEAST_WORD])
            if text:
                yield Piece(text, box, (box[0], base), size)


def _by_line(words: Iterable[_Word]) -> Iterator[list[_Word]]:
    line: list[_Word] = []
    for word in words:
        if line and line[-1].line != word.line:
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _height(line: Sequence[_Word]) -> float:
    return statistics.median(word.box[3] - word.box[1] for word in line)


def _letter_width(line: Sequence[_Word]) -> float:
    return sum(map(_width, line)) / sum(len(word.text) for word in line)


def _without_gaps(line: Sequence[_Word], gap: float) -> Iterator[list[_Word]]:
    part = [line[0]]
    for word in line[1:]:
        if word.box[0] - part[-1].box[2] >= gap:
            yield part
            part = []
        part.append(word)
    yield part


def _text(words: Sequence[_Word]) -> str:
    """Words with spaces between them, but none inside Chinese or Japanese."""
    text = ""
    for word in words:
        text += (" " if text and joint(text, word.text) else "") + word.text
    return text
