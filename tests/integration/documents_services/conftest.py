"""Files as people upload them, and a document that was uploaded and indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from documents import indexing, uploading

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from documents.models import Document, KnowledgeBase

SLEEP = """# Sleeping well

Go to bed at the same hour every day.

## Evening

Coffee late in the day keeps people awake, since caffeine lasts for hours.

## Bedroom

Keep the bedroom dark, cool and quiet.
"""


def file_of(content: str | bytes, name: str = "sleep.md") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


@pytest.fixture
def indexed(knowledge_base: KnowledgeBase, alice: User) -> Callable[..., Document]:
    """``indexed()`` uploads a text as Alice, processes it, and returns its document."""

    def make(content: str = SLEEP, name: str = "sleep.md") -> Document:
        outcome = uploading.upload(
            actor=alice, knowledge_base=knowledge_base, file=file_of(content, name)
        )
        indexing.index_document(outcome.version.pk)
        outcome.document.refresh_from_db()
        knowledge_base.refresh_from_db()
        return outcome.document

    return make
