"""What a parser is, what it may use, and how it says that it cannot read a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from documents.types import ParsedDocument

ERROR_CODES = frozenset(
    {
        "empty",
        "encrypted",
        "truncated",
        "mislabelled",
        "unsupported",
        "too_large",
        "bomb",
        "nested",
        "macros",
        "outdated",
        "timeout",
        "memory",
        "no_text",
        "needs_recognition",
        "no_page",
        "recognition",
        "crashed",
        "killed",
        "cancelled",
        "archive_empty",
        "archive_too_many",
        "archive_bomb",
    }
)
"""Why a file was not read. ``documents.problems`` has a sentence and a remedy for each, and
``documents.delivery_problems`` for those of archives."""


class ParseError(Exception):
    """A file cannot be read. ``code`` is for people and rows, ``detail`` for logs."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class Recogniser(Protocol):
    """Reads the text in pictures (OCR)."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that it can read, by tesseract's names: ``eng``, ``chi_sim``."""
        ...

    def read(self, image: bytes, languages: Sequence[str], dpi: int) -> str:
        """The words of a PNG or PNM picture with their places, as tesseract's TSV.

        Raises ``ParseError("recognition")`` for a picture that cannot be read, or not in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class ParserContext:
    """Limits that a parser keeps by itself; memory and time are kept from outside."""

    max_characters: int = 20_000_000
    max_pages: int = 5_000
    max_archive_members: int = 10_000
    max_uncompressed_bytes: int = 300 * 1024 * 1024
    """Over all members of a packed format, as declared and as found."""
    recogniser: Recogniser | None = None
    """``None`` where no text recognition is installed."""
    recognition_s: float = 600
    """How long pages may be recognised, in all. The rest is left out then, and that is said."""


class Parser(Protocol):
    """A format's module is its parser: it has this function."""

    def parse(self, path: Path, context: ParserContext) -> ParsedDocument:
        """Read the file. Raises ``ParseError``; any other error counts as a crash.

        The file is whatever somebody uploaded: expect every length, number and name in it to lie.
        """
        ...
