"""Documents made of plain texts, indexed by the product's own code with the fake embedder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile

from documents.indexing import index_document, index_passages
from documents.models import Document, DocumentVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from documents.models import KnowledgeBase

PASSAGES = [
    ("sleep", "Sleeping well", "Go to bed at the same hour and keep the bedroom dark and cool."),
    ("coffee", "Coffee", "Coffee late in the day keeps people awake, since caffeine lasts hours."),
    ("fruit", "Fruit and diabetes", "Berries and apples raise blood sugar slowly."),
    ("sugar", "Blood sugar", "Sweet drinks raise blood sugar fast. Water does not."),
    ("zh", "改善睡眠", "睡前不要喝咖啡，也不要看手机。"),
]


@pytest.fixture
def passages(knowledge_base: KnowledgeBase) -> dict[str, Document]:
    """``PASSAGES`` indexed in ``knowledge_base``, by their external id."""
    index_passages(knowledge_base, PASSAGES)
    knowledge_base.refresh_from_db()
    versions = DocumentVersion.objects.filter(knowledge_base=knowledge_base)
    return {v.metadata["external_id"]: v.document for v in versions.select_related("document")}


@pytest.fixture
def waiting(knowledge_base: KnowledgeBase) -> Callable[..., DocumentVersion]:
    """``waiting("text")`` makes a version that waits to be processed."""

    def make(
        text: str,
        filename: str = "notes.md",
        document: Document | None = None,
        media_type: str = "text/markdown",
    ) -> DocumentVersion:
        content = text.encode()
        if document is None:
            document = Document.objects.create(
                knowledge_base=knowledge_base, title=filename.rpartition(".")[0]
            )
        version = DocumentVersion(
            document=document,
            knowledge_base=knowledge_base,
            number=document.versions.count() + 1,
            filename=filename,
            media_type=media_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        version.original.save(filename, ContentFile(content), save=False)
        version.save()
        return version

    return make


@pytest.fixture
def indexed(waiting: Callable[..., DocumentVersion]) -> Callable[..., DocumentVersion]:
    """``indexed("text")`` makes a version and processes it."""

    def make(*args: object, **kwargs: object) -> DocumentVersion:
        version = waiting(*args, **kwargs)
        index_document(version.pk)
        version.refresh_from_db()
        return version

    return make
