"""The admin of knowledge bases, documents, passages and the index.

It calls the same services as the pages, and shows a member of staff only what belongs to knowledge
bases that they curate. Text of documents is shown as text, never as HTML.
"""

from __future__ import annotations

from documents.admin import bases, deliveries, documents, index

__all__ = ["bases", "deliveries", "documents", "index"]
