"""What pages of knowledge bases say of rerankers; they belong to an app that knows none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

from qa.rerank_notes import Choice, RerankNotes, choices_for, notes_for

if TYPE_CHECKING:
    from collections.abc import Collection

    from documents.models import KnowledgeBase

register = template.Library()


@register.inclusion_tag("qa/_rerank_notes.html")
def rerank_notes(base: KnowledgeBase, roles: Collection[str]) -> dict[str, object]:
    """Banners for those who look after ``base``; nothing for anybody else."""
    notes = notes_for(base) if "curator" in roles else RerankNotes()
    return {"notes": notes, "base": base, "may_change": "owner" in roles}


@register.simple_tag
def reranker_choices(base: KnowledgeBase | None, chosen: str | None) -> list[Choice]:
    """The rerankers that ``base``, or a new one, may choose."""
    return choices_for(base or None, chosen or "")
