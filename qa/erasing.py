"""The copies that answers keep of a document go when it is erased for good.

Hash and position of each passage stay, and so do scores, ranks and judgements. An answer that was
made from the document is erased whole: any sentence of it may rest on what is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.dispatch import receiver
from django.utils import timezone

from documents.purging import document_purged
from qa import streams
from qa.models import Answer, Citation, RankedPassage, SourceOpened

if TYPE_CHECKING:
    from documents.models import Document

ERASED = "source_erased"
"""Stands among the reasons of an answer whose text is gone."""


@receiver(document_purged)
def erase_copies(document: Document, **kwargs: Any) -> None:
    """Erase passages of ``document``, and answers made from them; in the caller's transaction."""
    del kwargs
    passages = RankedPassage.objects.filter(document=document)
    built_on_it = list(
        Answer.objects.filter(pk__in=passages.filter(is_source=True).values("answer")).only(
            "pk", "reasons"
        )
    )
    passages.update(
        title="", heading_path=[], text="", factor_inputs={}, fit_inputs={}, effective_date=None
    )
    SourceOpened.objects.filter(document=document).delete()
    for answer in built_on_it:
        _erase_answer(answer)


def _erase_answer(answer: Answer) -> None:
    Citation.objects.filter(answer=answer).update(sentence="")
    Answer.objects.filter(pk=answer.pk).update(
        text="", reasons=[*(reason for reason in answer.reasons if reason != ERASED), ERASED]
    )
    # A worker that is still writing it loses its claim, and what it writes is not stored.
    Answer.objects.filter(pk=answer.pk).exclude(state__in=Answer.FINAL).update(
        state=Answer.State.STOPPED, attempt=F("attempt") + 1, finished_at=timezone.now()
    )
    transaction.on_commit(lambda: streams.forget(answer.pk), robust=True)
