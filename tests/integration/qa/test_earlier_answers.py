"""What an answer cites stays as it was, whatever becomes of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.files.uploadedfile import SimpleUploadedFile

from documents import indexing, uploading
from documents.models import Chunk
from qa.presentation import present_answer
from tests.integration.qa.conftest import document_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from accounts.models import User
    from tests.integration.qa.conftest import Ask


def test_an_answer_keeps_the_text_that_it_cites_when_a_new_version_is_ready(
    alice: User, bob: User, ask: Ask, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    answer = ask(bob)
    before = present_answer(bob, answer)
    cited = {source.document_id: source for source in before.sources}
    document = document_of("Ten tips for better sleep")
    assert cited[document.pk].citations

    file = SimpleUploadedFile("tips.md", b"Naps are best before three in the afternoon.")
    outcome = uploading.upload_version(actor=alice, document=document, file=file)
    indexing.index_document(outcome.version.pk)
    texts = Chunk.objects.filter(document=document).values_list("text", flat=True)
    assert list(texts) == ["Naps are best before three in the afternoon."]

    after = present_answer(bob, answer)
    assert after.text == before.text
    kept = {source.document_id: source for source in after.sources}[document.pk]
    assert kept.text == cited[document.pk].text
    quotes = [citation.quote for citation in kept.citations]
    assert quotes == [citation.quote for citation in cited[document.pk].citations]
