"""Addresses that answers link to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse

if TYPE_CHECKING:
    from qa.models import RankedPassage


def source_href(passage: RankedPassage, start: int, end: int) -> str:
    """The source viewer of the passage's document, with the characters of the span marked."""
    if passage.document_id is None:
        return ""
    span = urlencode({"version": passage.version_id or "", "start": start, "end": end})
    return f"{reverse('documents:source', args=[passage.document_id])}?{span}#cited"
