"""Small documents of one knowledge base, processed together while no other base waits.

What costs as much for one as for many (statements, commits, a call of the model) is done once for
all. Each keeps a claim, stages and an end of its own. Whatever is not as usual, with one of them or
with all, is left to the way of a single document, so that none fails by what its neighbour is.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from django.db import InterfaceError, OperationalError, connection, transaction

from documents import carrying, joint_claims, parsed, turns
from documents.chunking import chunk
from documents.claims import ClaimLost, Stage
from documents.dates import find_dates
from documents.generations import (
    active_generation,
    chunk_recipe,
    embedder_of,
    fingerprint,
    lock_index,
)
from documents.indexing import (
    CANCELLATION_CHECK_S,
    Prepared,
    Processed,
    findings,
    process,
    read,
    settle_document,
    title_of,
)
from documents.models import Chunk, ChunkCuration, Document, DocumentVersion, ParsedText
from documents.parsing.base import ParseError
from documents.setbacks import settled
from documents.storing import Placed, ids_of_terms, passages_of, store, times_of, vectors_of
from inference.conf import get_embedder
from inference.errors import InvalidModelResponse, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from documents.claims import Claim
    from documents.models import IndexGeneration
    from documents.types import ParsedDocument
    from inference.ports import Embedder

logger = logging.getLogger(__name__)

LONGEST_TEXT = 200_000
"""Characters: a small file that holds more, tightly packed, is left to be processed by itself."""


def index_next() -> Processed | None:
    """Process what has its turn to its end: one version, or several. None when none may be begun.

    What is wrong with a file is stored on the version, not raised; a model that fails for now,
    a full disk or a database that goes away leaves it waiting, with the reason. A defect of ours
    is stored and raised, after what was taken with it has come to its end too.
    """
    first = turns.claim_next()
    if first is None:
        return None
    beside = settled(first, partial(turns.claim_beside, first))
    if beside is None:
        return Processed(None)
    if not beside:
        return Processed(settled(first, partial(process, first)))
    return Processed(_index([first, *beside]))


def _index(claimed: Sequence[Claim]) -> int | None:
    """Process the claimed versions. Returns the generation whose passages changed, if any."""
    batch = _Batch(list(claimed))
    changed: int | None = None
    defect: Exception | None = None
    try:
        changed = batch.index()
    except InvalidModelResponse:
        pass  # the text that it fails on is found one by one
    except (ModelError, OperationalError, InterfaceError) as error:
        for claim in batch.held:
            settled(claim, partial(_meet, error))
        return None
    except Exception as error:  # noqa: BLE001 - raised below: the others go first
        defect = error
    for claim in list(batch.held):
        batch.beat()
        try:
            changed = settled(claim, partial(process, claim)) or changed
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - raised below: the others go first
            defect = defect or error
        batch.drop(claim)
    if defect is not None:
        raise defect
    return changed


def _meet(error: Exception) -> NoReturn:
    raise error


@dataclass(frozen=True, slots=True)
class _Read:
    """A version of the batch as far as it has been read."""

    claim: Claim
    version: DocumentVersion
    found: ParsedDocument


@dataclass(frozen=True, slots=True)
class _Ready:
    """A version of the batch with all that the swap writes."""

    claim: Claim
    version: DocumentVersion
    prepared: Prepared


@dataclass(slots=True)
class _Batch:
    """Claims that have not come to their end, and what they are worked on with."""

    held: list[Claim]
    beaten_at: float = field(default_factory=time.monotonic)

    def index(self) -> int | None:
        """Bring to their end all that go the usual way. Returns the generation that changed."""
        versions = _first_of_each_document(self.held)
        if len(versions) < 2:
            return None
        configured = get_embedder()
        base_id = next(iter(versions.values())).knowledge_base_id
        generation = active_generation(base_id, configured)
        embedder = embedder_of(generation, configured)
        found = self._read(versions)
        cut = self._cut(found, generation, embedder)
        ready = self._embed(cut, embedder)
        self._begin(Stage.INDEX, {each.version.pk: len(each.prepared.passages) for each in ready})
        done = _swap(base_id, generation, [each for each in ready if each.claim in self.held])
        for each in done:
            self.drop(each.claim)
            logger.info(
                "document.indexed",
                extra={
                    "version_id": each.version.pk,
                    "passages": len(each.prepared.passages),
                },
            )
        return generation.pk if done else None

    def beat(self) -> None:
        """Leave a sign of life for all, if the last is seconds old; what is lost is let go."""
        if time.monotonic() - self.beaten_at >= CANCELLATION_CHECK_S:
            self.held = joint_claims.beat_all(self.held)
            self.beaten_at = time.monotonic()

    def drop(self, claim: Claim) -> None:
        if claim in self.held:
            self.held.remove(claim)

    def _begin(self, stage: Stage, totals: dict[int, int]) -> None:
        """Enter the stage with those that ``totals`` names."""
        entering = [claim for claim in self.held if claim.version_id in totals]
        holding = set(joint_claims.begin_all(entering, stage, totals))
        self.held = [
            claim for claim in self.held if claim in holding or claim.version_id not in totals
        ]

    def _read(self, versions: dict[int, DocumentVersion]) -> list[_Read]:
        """What is in each; those that could not be read have come to their end."""
        self._begin(Stage.PARSE, dict.fromkeys(versions, 0))
        found = []
        for claim in [each for each in self.held if each.version_id in versions]:
            one = settled(claim, partial(self._read_one, claim, versions[claim.version_id]))
            if one is None:
                self.drop(claim)
            elif len(one.found.text) <= LONGEST_TEXT:
                found.append(one)
        return found

    def _read_one(self, claim: Claim, version: DocumentVersion) -> _Read:
        def is_lost() -> bool:
            self.beat()
            return claim not in self.held

        if is_lost():
            raise ClaimLost
        return _Read(claim, version, read(version, is_lost))

    def _cut(
        self, found: Iterable[_Read], generation: IndexGeneration, embedder: Embedder | None
    ) -> list[_Ready]:
        found = [each for each in found if each.claim in self.held]
        self._begin(Stage.CHUNK, {each.version.pk: 0 for each in found})
        said = _curations(each.version.document_id for each in found)
        ready = []
        for each in found:
            curations = said.get(each.version.document_id, {})
            prepared = settled(
                each.claim, partial(_prepared, each, generation, embedder, curations)
            )
            self.beat()
            if prepared is None:
                self.drop(each.claim)
            else:
                ready.append(_Ready(each.claim, each.version, prepared))
        return ready

    def _embed(self, ready: list[_Ready], embedder: Embedder | None) -> list[_Ready]:
        """With the vectors of all, made in batches across documents."""
        ready = [each for each in ready if each.claim in self.held]
        self._begin(Stage.EMBED, {each.version.pk: len(each.prepared.passages) for each in ready})
        passages = [passage for each in ready for passage in each.prepared.passages]
        vectors = vectors_of(embedder, passages, on_progress=lambda _done: self.beat())
        ends = [0]
        for each in ready:
            ends.append(ends[-1] + len(each.prepared.passages))
            each.prepared.vectors.extend(vectors[ends[-2] : ends[-1]])
        return ready


def _first_of_each_document(held: Sequence[Claim]) -> dict[int, DocumentVersion]:
    """The claimed versions by id; of a document that has several here, the first one's alone."""
    rows = DocumentVersion.objects.select_related("document").filter(
        pk__in=[claim.version_id for claim in held]
    )
    found: dict[int, DocumentVersion] = {}
    for version in rows.order_by("document", "number"):
        found.setdefault(version.document_id, version)
    return {version.pk: version for version in found.values()}


def _curations(document_ids: Iterable[int]) -> dict[int, dict[str, ChunkCuration]]:
    """As ``storing.curations_of``, for several documents."""
    found: dict[int, dict[str, ChunkCuration]] = {}
    for curation in ChunkCuration.objects.filter(document__in=list(document_ids)):
        found.setdefault(curation.document_id, {})[curation.text_sha256] = curation
    return found


def _prepared(
    each: _Read,
    generation: IndexGeneration,
    embedder: Embedder | None,
    curations: dict[str, ChunkCuration],
) -> Prepared:
    """All that the swap writes but the vectors. Raises ``ParseError``."""
    drafts = chunk(each.found, chunk_recipe(generation))
    if not drafts:
        raise ParseError("no_text", "")
    title = title_of(each.version, each.found)
    said = carrying.applied([draft.text for draft in drafts], curations)
    return Prepared(
        parsed=each.found,
        title=title,
        dates=find_dates(each.found, each.version.filename),
        passages=passages_of(title, drafts, said),
        vectors=[],
        fingerprint=fingerprint(each.version, generation, embedder),
        curated=times_of(curations),
    )


def _swap(base_id: int, generation: IndexGeneration, ready: Sequence[_Ready]) -> list[_Ready]:
    """Put the passages of all in place, in one transaction. Returns those that it was right for.

    A version is left out when its claim is lost, or what it was prepared from is not so any more.
    """
    if not ready:
        return []
    ids = ids_of_terms(generation, [one for each in ready for one in each.prepared.passages])
    with transaction.atomic():
        base = lock_index(base_id)
        if base.active_generation_id != generation.pk or base.deleted_at:
            return []
        documents = _locked_documents(each.version.document_id for each in ready)
        said = _curations(documents)
        unchanged = [
            each
            for each in ready
            if _is_unchanged(each, documents.get(each.version.document_id))
            and times_of(said.get(each.version.document_id, {})) == each.prepared.curated
        ]
        # Fenced before anything is written: what was lost is left out.
        holding = set(joint_claims.fence_all([each.claim for each in unchanged]))
        right = [each for each in unchanged if each.claim in holding]
        _write(generation, right, documents, ids)
    return right


def _locked_documents(document_ids: Iterable[int]) -> dict[int, Document]:
    rows = (
        Document.objects.select_for_update(no_key=True, of=("self",))
        .select_related("current_version")
        .filter(pk__in=list(document_ids))
        .order_by("pk")
    )
    return {document.pk: document for document in rows}


def _is_unchanged(each: _Ready, document: Document | None) -> bool:
    """Whether the version is still to become what its document's search finds."""
    if document is None or document.deleted_at or document.title != each.version.document.title:
        return False
    current = document.current_version
    return current is None or current.number <= each.version.number


def _write(
    generation: IndexGeneration,
    right: Sequence[_Ready],
    documents: dict[int, Document],
    ids: dict[str, int],
) -> None:
    if not right:
        return
    for each in right:
        settle_document(documents[each.version.document_id], each.version, each.prepared)
    joint_claims.finish_all({each.claim: findings(each.prepared) for each in right})
    changed = [documents[each.version.document_id] for each in right]
    Chunk.objects.filter(document__in=changed).delete()
    store(
        generation,
        [
            Placed(each.version.document_id, each.version.pk, passage, vector)
            for each in right
            for passage, vector in zip(each.prepared.passages, each.prepared.vectors, strict=True)
        ],
        ids,
    )
    ParsedText.objects.bulk_create(
        [parsed.row_of(each.version.pk, each.prepared.parsed) for each in right],
        update_conflicts=True,
        unique_fields=["version"],
        update_fields=["text", "blocks", "lines"],
    )
    _save(changed)


def _save(documents: Iterable[Document]) -> None:
    """Write what ``settle_document`` set, in one statement.

    In SQL of our own: Django needs several times as long to write such a statement out.
    """
    made = [
        {
            "id": document.pk,
            "current_version_id": document.current_version_id,
            "title": document.title,
            "effective_date": document.effective_date and document.effective_date.isoformat(),
            "expires_at": document.expires_at and document.expires_at.isoformat(),
        }
        for document in documents
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE documents_document document SET
                current_version_id = made.current_version_id, title = made.title,
                effective_date = made.effective_date, expires_at = made.expires_at
            FROM jsonb_to_recordset(%s::jsonb) AS made (
                id bigint, current_version_id bigint, title text,
                effective_date date, expires_at date
            )
            WHERE document.id = made.id
            """,
            [json.dumps(made)],
        )
