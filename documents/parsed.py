"""What a parser found, kept beside its version: the source viewer and a rebuild read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from documents.models import ParsedText
from documents.types import Block, Line, ParsedDocument

if TYPE_CHECKING:
    from documents.models import DocumentVersion


def row_of(version_id: int, parsed: ParsedDocument) -> ParsedText:
    """The row, not saved yet."""
    return ParsedText(
        version_id=version_id,
        text=parsed.text,
        blocks=[asdict(block) for block in parsed.blocks],
        lines=[asdict(line) for line in parsed.lines],
    )


def keep(version_id: int, parsed: ParsedDocument) -> None:
    """Store it in place of what was found before."""
    row = row_of(version_id, parsed)
    ParsedText.objects.update_or_create(
        version_id=version_id,
        defaults={"text": row.text, "blocks": row.blocks, "lines": row.lines},
    )


def recall(version: DocumentVersion) -> ParsedDocument | None:
    """What was kept of the version, or None."""
    stored = ParsedText.objects.filter(version_id=version.pk).first()
    if stored is None:
        return None
    return ParsedDocument(
        text=stored.text,
        blocks=tuple(
            Block(**{**block, "heading_path": tuple(block["heading_path"])})
            for block in stored.blocks
        ),
        lines=tuple(Line(**{**line, "box": tuple(line["box"])}) for line in stored.lines),
        language=version.language,
        page_count=version.page_count,
    )
