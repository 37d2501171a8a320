"""A knowledge base's whole index, made complete beside the old one and swapped in at once.

The same work makes a new generation, and brings the one before up to date when an owner goes back
to it. What is there already is not made again, so that the work can be done a while at a time.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef

from documents import builds, carrying, parsed
from documents.chunking import chunk
from documents.corpora import settle
from documents.generations import (
    activate,
    chunk_recipe,
    discard,
    embedder_named,
    embedder_of,
    fingerprint,
    generation_before,
    lock_index,
    start_generation,
    superfluous_generations,
    take_space,
)
from documents.jobs import ClaimLost
from documents.lexicon import rebuild_statistics
from documents.models import (
    Chunk,
    Document,
    DocumentVersion,
    IndexBuild,
    IndexGeneration,
)
from documents.overtaken import forget_overtaken
from documents.setbacks import is_disk_full, outlast
from documents.storing import (
    Placed,
    curations_of,
    ids_of_terms,
    passages_of,
    store,
    vectors_of,
)
from inference.conf import get_embedder
from inference.errors import InvalidModelResponse, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from accounts.models import User
    from documents.builds import BuildClaim
    from documents.models import KnowledgeBase
    from inference.ports import Embedder

logger = logging.getLogger(__name__)

SLICE_S = 20.0
"""A worker builds for so long at a time; then documents that wait have their turn."""


class UnderWay(Exception):
    """Another build of the knowledge base has not ended yet."""


class NothingBefore(Exception):
    """The index before is not kept any more."""


class _CannotBeBuilt(Exception):
    """The generation cannot be made complete; ``code`` is of ``problems``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class _Work:
    """A generation in the making, and what its passages do not tell of themselves."""

    generation: IndexGeneration
    held: BuildClaim
    embedder: Embedder | None
    on_progress: Callable[[int], None]
    done: int = 0
    without_text: set[int] = field(default_factory=set)
    """Versions that give no passage under the new recipe, which are not missing."""


def begin_rebuild(
    base: KnowledgeBase,
    *,
    requested_by: User | None = None,
    embedder: str | None = None,
    max_tokens: int | None = None,
    overlap_tokens: int | None = None,
) -> IndexBuild:
    """A row for building a new generation, by default as the knowledge base has it now.

    Raises ``UnderWay``. The work is done by ``continue_build``.
    """
    with transaction.atomic():
        generation = start_generation(
            base.pk, embedder=embedder, max_tokens=max_tokens, overlap_tokens=overlap_tokens
        )
        return _begin(generation, IndexBuild.Kind.REBUILD, requested_by)


def begin_return(base: KnowledgeBase, *, requested_by: User | None = None) -> IndexBuild:
    """A row for going back to the generation before. Raises ``UnderWay``, ``NothingBefore``."""
    with transaction.atomic():
        generation = generation_before(lock_index(base.pk))
        if generation is None:
            raise NothingBefore
        return _begin(generation, IndexBuild.Kind.RETURN, requested_by)


def continue_build(build_id: int, *, slice_s: float = SLICE_S) -> bool:
    """Work on a waiting build for about ``slice_s`` seconds. True: it wants to be continued.

    Quietly does nothing when it does not wait. What goes wrong is stored on the row: it is tried
    again later, or what is searched stays. A defect of ours is stored and raised. Call it outside
    a transaction.
    """
    held = builds.claim(build_id)
    if held is None:
        return False
    try:
        return _continue(held, until=time.monotonic() + slice_s)
    except (OperationalError, InterfaceError) as error:
        outlast(error, partial(_postpone, held))
    except Exception as error:
        if not (isinstance(error, OSError) and is_disk_full(error)):
            _fail(held, "internal_build", type(error).__name__)
            raise
        _postpone(held, "disk_full")
    return False


def rebuild_index(
    knowledge_base: KnowledgeBase, *, on_progress: Callable[[int], None] = lambda done: None
) -> IndexGeneration:
    """Index every document by the present configuration, then search that instead.

    The text that was parsed is cut and embedded again; originals are not read. Questions and
    uploads go on meanwhile, and what is uploaded is in the new index too. Raises ``UnderWay``,
    ``ClaimLost`` when it is cancelled, and ``ModelError``; then the old index stays. Call it
    outside a transaction.
    """
    build = begin_rebuild(knowledge_base)
    held = builds.claim(build.pk, even_paused=True)
    if held is None:
        raise UnderWay
    completed, why = False, "interrupted"
    try:
        completed = _proceed(held, on_progress=on_progress)
    except ModelError as error:
        why = error.reason
        raise
    finally:
        if not completed:
            _fail(held, why)
            drop_superfluous()
    generation: IndexGeneration = IndexGeneration.objects.get(builds=build)
    return generation


def superfluous() -> list[int]:
    """Generations that nobody needs any more: retired long ago, or left by a build that ended."""
    kept_for = timedelta(days=settings.RAGSITE_KEEP_INDEX_DAYS)
    unfinished = IndexBuild.objects.filter(
        generation=OuterRef("pk"), state__in=IndexBuild.UNFINISHED
    )
    left = IndexGeneration.objects.filter(~Exists(unfinished), state=IndexGeneration.State.BUILDING)
    return [*superfluous_generations(kept_for), *left.values_list("pk", flat=True)]


def drop_superfluous() -> None:
    for generation_id in superfluous():
        discard(generation_id)


def _begin(
    generation: IndexGeneration, kind: IndexBuild.Kind, requested_by: User | None
) -> IndexBuild:
    try:
        with transaction.atomic():
            build: IndexBuild = IndexBuild.objects.create(
                knowledge_base_id=generation.knowledge_base_id,
                generation=generation,
                kind=kind,
                requested_by=requested_by,
            )
    except IntegrityError as error:
        raise UnderWay from error
    return build


def _continue(held: BuildClaim, *, until: float) -> bool:
    """As ``continue_build``, as far as the model and the generation are to blame."""
    try:
        if not _proceed(held, until=until):
            held.give_back()
            return True
    except ClaimLost:
        logger.info("index.build.lost", extra={"build_id": held.job_id})
    except _CannotBeBuilt as error:
        _fail(held, error.code)
    except InvalidModelResponse as error:
        _fail(held, error.reason, str(error))
    except ModelError as error:
        _postpone(held, error.reason, str(error))
    return False


def _postpone(held: BuildClaim, code: str, detail: str = "") -> None:
    with suppress(ClaimLost):
        held.postpone(code, detail)


def _fail(held: BuildClaim, code: str, detail: str = "") -> None:
    with suppress(ClaimLost):
        held.fail(code, detail)
        logger.warning("index.build.failed", extra={"build_id": held.job_id, "error_code": code})


def _proceed(
    held: BuildClaim,
    *,
    until: float | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> bool:
    """Make the generation complete and search it. False when the time was up before.

    ``until`` is on the monotonic clock. Raises ``ClaimLost``, ``ModelError``.
    """
    work = _opened(held, on_progress)
    generation = work.generation
    completed = False
    while not completed:
        missing = _missing(work)
        held.write(progress_total=F("progress_done") + missing.count())
        for version in missing:
            if until is not None and time.monotonic() > until:
                return False
            _index(version, work)
            work.done += 1
            held.write(progress_done=F("progress_done") + 1)
            on_progress(work.done)
        rebuild_statistics(generation.pk)
        completed = _swap(work)
    generation.refresh_from_db()
    settle(generation)
    drop_superfluous()
    logger.info("index.build.done", extra={"build_id": held.job_id, "generation": generation.pk})
    return True


def _opened(held: BuildClaim, on_progress: Callable[[int], None]) -> _Work:
    """The build's generation with its embedder, and without what was overtaken since."""
    build: IndexBuild | None = held.rows().select_related("generation__knowledge_base").first()
    if build is None:
        raise ClaimLost
    generation = build.generation
    if generation is None:
        raise _CannotBeBuilt("index_gone")
    configured = get_embedder()
    if not Chunk.objects.filter(generation=generation).exists():
        take_space(generation, embedder_named(generation.embedder, configured))
    embedder = embedder_of(generation, configured)
    if embedder is None and generation.space_id is not None:
        raise _CannotBeBuilt("model_changed")
    with transaction.atomic():
        lock_index(generation.knowledge_base_id)
        forget_overtaken(generation)
    return _Work(generation, held, embedder, on_progress)


def _missing(work: _Work) -> QuerySet[DocumentVersion]:
    """Versions in use that the generation has no passages of, deleted documents' included.

    A deleted document can be restored; what has been purged has no text to index.
    """
    indexed = Chunk.objects.filter(generation=work.generation, version=OuterRef("pk"))
    return (
        DocumentVersion.objects.filter(
            ~Exists(indexed),
            knowledge_base_id=work.generation.knowledge_base_id,
            document__current_version=F("pk"),
            document__purged_at=None,
            parsed__isnull=False,
        )
        .exclude(pk__in=work.without_text)
        .select_related("document")
        .order_by("pk")
    )


def _index(version: DocumentVersion, work: _Work) -> None:
    """Put the version's passages into the generation, unless it was overtaken meanwhile."""
    found = parsed.recall(version)
    if found is None:
        return
    document, generation = version.document, work.generation
    drafts = chunk(found, chunk_recipe(generation))
    said = carrying.applied([draft.text for draft in drafts], curations_of(document.pk))
    passages = passages_of(document.title, drafts, said)
    if not passages:
        work.without_text.add(version.pk)
        Chunk.objects.filter(generation=generation, document=document).delete()
        return
    vectors = vectors_of(work.embedder, passages, on_progress=lambda done: work.held.write())
    ids = ids_of_terms(generation, passages)
    with transaction.atomic():
        lock_index(generation.knowledge_base_id)
        # Fenced before anything is written: a build that was cancelled writes no more.
        work.held.write()
        if not _is_as_read(version):
            return
        Chunk.objects.filter(generation=generation, document=document).delete()
        store(
            generation,
            [
                Placed(document.pk, version.pk, passage, vector)
                for passage, vector in zip(passages, vectors, strict=True)
            ],
            ids,
        )
        # One that waits to be processed again keeps its empty mark, or that would find it done.
        DocumentVersion.objects.filter(pk=version.pk, state=DocumentVersion.State.READY).update(
            indexed_fingerprint=fingerprint(version, generation, work.embedder)
        )


def _is_as_read(version: DocumentVersion) -> bool:
    """Whether it is still its document's, under the same title; held until the transaction ends."""
    document = version.document
    same = Document.objects.select_for_update(no_key=True).filter(
        pk=document.pk, current_version=version, title=document.title
    )
    return same.first() is not None


def _swap(work: _Work) -> bool:
    """Search the generation, if it has all. False: something was said or uploaded meanwhile."""
    generation = work.generation
    with transaction.atomic():
        lock_index(generation.knowledge_base_id)
        if forget_overtaken(generation) or _missing(work).exists():
            return False
        work.held.finish()
        activate(generation)
    return True
