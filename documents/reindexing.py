"""What owners do with a whole index: have it built in another way, go back, cancel. Audited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from documents import tasks
from documents.models import IndexBuild
from documents.queueing import enqueue_on_commit
from documents.rebuilding import NothingBefore, UnderWay, begin_rebuild, begin_return
from inference.conf import embedder_names

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase

LEAST_TOKENS = 60
MOST_TOKENS = 500
"""Models of passages read no more than about 512 tokens; longer ones would be cut off."""
MOST_OVERLAP = 3
"""A third of the passage at most: beyond that, the same text is found again and again."""


def embedder_choices(base: KnowledgeBase) -> list[str]:
    """Names that may be chosen: the default as ``""``, those of the settings, and the present."""
    return list(dict.fromkeys(["", *embedder_names(), base.embedder]))


def request_rebuild(
    *, actor: User, base: KnowledgeBase, embedder: str, max_tokens: int, overlap_tokens: int
) -> IndexBuild:
    """Have the index built in this way beside the present one, which is searched until then.

    Raises ``ValidationError``, also when another build has not ended.
    """
    if embedder not in embedder_choices(base):
        raise ValidationError({"embedder": _("This model is not configured.")})
    if not LEAST_TOKENS <= max_tokens <= MOST_TOKENS:
        message = _("A passage may have %(least)d to %(most)d tokens.")
        limits = {"least": LEAST_TOKENS, "most": MOST_TOKENS}
        raise ValidationError({"max_tokens": message % limits})
    if not 0 <= overlap_tokens * MOST_OVERLAP <= max_tokens:
        raise ValidationError(
            {"overlap_tokens": _("At most a third of a passage may be repeated in the next.")}
        )
    with transaction.atomic():
        try:
            build = begin_rebuild(
                base,
                requested_by=actor,
                embedder=embedder,
                max_tokens=max_tokens,
                overlap_tokens=overlap_tokens,
            )
        except UnderWay as error:
            raise _under_way() from error
        record(
            actor,
            "index.rebuild",
            base,
            build=build.pk,
            embedder=embedder,
            max_tokens=max_tokens,
            overlap_tokens=overlap_tokens,
        )
        enqueue_on_commit(tasks.build_index, build.pk)
    return build


def request_return(*, actor: User, base: KnowledgeBase) -> IndexBuild:
    """Go back to the index before. What has changed since is brought into it first.

    Raises ``ValidationError`` when there is none any more, or another build has not ended.
    """
    with transaction.atomic():
        try:
            build = begin_return(base, requested_by=actor)
        except UnderWay as error:
            raise _under_way() from error
        except NothingBefore as error:
            raise ValidationError(
                _("The index before is not kept any more."), code="nothing_before"
            ) from error
        record(actor, "index.return", base, build=build.pk)
        enqueue_on_commit(tasks.build_index, build.pk)
    return build


def cancel_build(*, actor: User, base: KnowledgeBase) -> bool:
    """End the build that has not ended; what is searched stays. False: there is none.

    The worker notices before it writes the next passages.
    """
    with transaction.atomic():
        cancelled = IndexBuild.objects.filter(
            knowledge_base=base, state__in=IndexBuild.UNFINISHED
        ).update(state=IndexBuild.State.CANCELLED, finished_at=timezone.now())
        if cancelled:
            record(actor, "index.cancel", base)
    return bool(cancelled)


def _under_way() -> ValidationError:
    return ValidationError(
        _("The index is being built already. Wait for it, or cancel it."), code="under_way"
    )
