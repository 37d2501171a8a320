"""Pages of knowledge bases, documents, passages and sources."""

from __future__ import annotations
