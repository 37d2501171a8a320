"""A document of Alice's in ``knowledge_base``, uploaded and indexed by the product's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from documents import indexing, uploading
from documents.models import Chunk, Document

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase

HOSTILE = """# Sleep <script>alert(1)</script>

Go to bed <img src=x onerror=alert(2)> at the same hour. [click](javascript:alert(3))

## Evening

Coffee late in the day keeps people awake.
"""


def file_of(content: str | bytes, name: str = "sleep.md") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


@pytest.fixture
def document(knowledge_base: KnowledgeBase, alice: User) -> Document:
    outcome = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(HOSTILE))
    indexing.index_document(outcome.version.pk)
    outcome.document.refresh_from_db()
    return outcome.document


@pytest.fixture
def chunk(document: Document) -> Chunk:
    chunk = Chunk.objects.filter(document=document).order_by("ordinal").first()
    assert chunk is not None
    return chunk
