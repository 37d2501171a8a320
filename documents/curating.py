"""What curators say about documents and passages. Generated text stays; what is said stands beside.

A passage is known by the hash of the text it was cut as, so that a rebuild of the index finds again
what was said of it (``ChunkCuration``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Field
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import AuditEvent
from documents import carrying, tasks
from documents.generations import lock_index
from documents.models import Chunk, ChunkCuration, Document
from documents.queueing import enqueue_on_commit
from documents.storing import curations_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from accounts.models import User

EDITABLE = (
    "title",
    "tags",
    "effective_date",
    "expires_at",
    "superseded_by",
    "source_url",
    "licence",
)
MAX_CHUNK_CHARACTERS = 20_000

_UPDATED = "document.update"
_RESTRICTED = "document.set_visibility"


def set_document_enabled(*, actor: User, document: Document, enabled: bool) -> bool:
    """Let the document be found, or not. False when it was so already."""
    with transaction.atomic():
        changed = (
            Document.objects.present()
            .filter(pk=document.pk)
            .exclude(is_enabled=enabled)
            .update(is_enabled=enabled)
        )
        if changed:
            record(actor, "document.enable" if enabled else "document.disable", document)
    return bool(changed)


def delete_document(*, actor: User, document: Document) -> bool:
    """Hide it from everyone until it is restored; nothing is erased. False: was deleted."""
    with transaction.atomic():
        deleted = (
            Document.objects.present().filter(pk=document.pk).update(deleted_at=timezone.now())
        )
        if deleted:
            record(actor, "document.delete", document)
    return bool(deleted)


def restore_document(*, actor: User, document: Document) -> bool:
    """Take a deletion back. False when it was not deleted, or was erased for good."""
    with transaction.atomic():
        restored = (
            Document.objects.filter(pk=document.pk, purged_at=None)
            .exclude(deleted_at=None)
            .update(deleted_at=None)
        )
        if restored:
            record(actor, "document.restore", document)
    return bool(restored)


def set_visibility_groups(*, actor: User, document: Document, groups: Collection[Group]) -> bool:
    """Let only these groups (and curators) read it; none means everyone who may ask the base."""
    return _set_groups(actor, document, groups) is not None


def update_document(*, actor: User, document: Document, changes: Mapping[str, Any]) -> Document:
    """Set fields of ``EDITABLE``. Raises ``ValidationError``; then nothing is changed.

    After a change of the title a worker weighs and embeds the passages anew.
    """
    return _update(actor, document, changes)[0]


def save_details(
    *, actor: User, document: Document, changes: Mapping[str, Any], groups: Collection[Group]
) -> list[int]:
    """``update_document`` and ``set_visibility_groups`` in one; for ``undo_details``.

    Returns the audit events, none when nothing changed. Raises ``ValidationError``; then nothing is
    changed.
    """
    with transaction.atomic():
        events = [
            _update(actor, document, changes)[1],
            _set_groups(actor, document, groups),
        ]
    return [event.pk for event in events if event is not None]


def undo_details(*, actor: User, document: Document, events: Collection[int]) -> bool:
    """Take changes of the document's details back, named by their audit events.

    False when none of them is a change of this document. Raises ``ValidationError`` when a value
    has been changed again since, or cannot be set any more; then nothing is changed.
    """
    undone = False
    with transaction.atomic():
        locked = Document.objects.select_for_update(no_key=True, of=("self",)).get(pk=document.pk)
        for event in AuditEvent.objects.filter(
            pk__in=events,
            action__in=(_UPDATED, _RESTRICTED),
            target_type=locked._meta.label_lower,
            target_id=str(locked.pk),
        ).order_by("-pk"):
            if event.action == _UPDATED:
                _update(actor, locked, _values_before(locked, event))
            else:
                _set_groups(actor, locked, _groups_before(locked, event))
            undone = True
    return undone


def check_document(document: Document) -> None:
    """Raise ``ValidationError`` when its dates or its successor cannot be, as set on the object."""
    _check_dates(document.effective_date, document.expires_at)
    _check_successor(document)


def edit_chunk(*, actor: User, chunk: Chunk, text: str) -> bool:
    """Search and show ``text`` in place of what was cut; the text as cut takes the edit back.

    A worker weighs and embeds that one passage anew. False when the text was so already, or the
    passage is gone because its document was indexed again. Raises ``ValidationError``.
    """
    text = text.strip().replace("\r\n", "\n")
    if not text:
        raise ValidationError(
            _("A passage needs some text. Disable it if it should not be found."), code="empty"
        )
    if len(text) > MAX_CHUNK_CHARACTERS:
        raise ValidationError(
            _("A passage may have at most %(limit)d characters."),
            code="too_long",
            params={"limit": MAX_CHUNK_CHARACTERS},
        )
    with transaction.atomic():
        locked = _locked(chunk)
        if locked is None or locked.text == text:
            return False
        is_edited = text != locked.generated_text.strip()
        locked.text = text if is_edited else locked.generated_text
        locked.is_edited = is_edited
        # The mark stands until a worker has done its part, so that a lost message is rung again.
        locked.is_stale = True
        locked.save(update_fields=["text", "is_edited", "is_stale"])
        _say(actor, locked)
        record(
            actor,
            "chunk.edit" if is_edited else "chunk.revert",
            locked,
            document=locked.document_id,
            ordinal=locked.ordinal,
        )
        enqueue_on_commit(tasks.reindex_chunk, locked.pk)
    return True


def set_chunk_enabled(*, actor: User, chunk: Chunk, enabled: bool) -> bool:
    """Let the passage be found, or not. False when it was so already, or the passage is gone."""
    with transaction.atomic():
        locked = _locked(chunk)
        if locked is None or locked.is_enabled == enabled:
            return False
        locked.is_enabled = enabled
        locked.save(update_fields=["is_enabled"])
        _say(actor, locked)
        record(
            actor,
            "chunk.enable" if enabled else "chunk.disable",
            locked,
            document=locked.document_id,
            ordinal=locked.ordinal,
        )
    return True


def _update(
    actor: User, document: Document, changes: Mapping[str, Any]
) -> tuple[Document, AuditEvent | None]:
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        message = f"{sorted(unknown)} are not fields that a form may set."
        raise TypeError(message)
    event: AuditEvent | None = None
    with transaction.atomic():
        locked: Document = Document.objects.select_for_update(no_key=True, of=("self",)).get(
            pk=document.pk
        )
        before = {field: _plain(getattr(locked, field)) for field in changes}
        for field, value in changes.items():
            setattr(locked, field, value)
        after = {field: _plain(getattr(locked, field)) for field in changes}
        changed = {
            field: [before[field], after[field]]
            for field in changes
            if before[field] != after[field]
        }
        if changed:
            check_document(locked)
            locked.full_clean(exclude=["knowledge_base", "current_version", "created_by"])
            locked.save(update_fields=sorted(changed))
            event = record(actor, _UPDATED, locked, changed=changed)
        if "title" in changed:
            # It is searched with every passage; the marks stand until a worker has been there.
            Chunk.objects.filter(document=locked).update(is_stale=True)
            enqueue_on_commit(tasks.reindex_stale, locked.pk)
    return locked, event


def _set_groups(actor: User, document: Document, groups: Collection[Group]) -> AuditEvent | None:
    with transaction.atomic():
        Document.objects.select_for_update(no_key=True).get(pk=document.pk)
        before = _groups_of(document)
        after = sorted({group.pk for group in groups})
        if before == after:
            return None
        document.visible_to_groups.set(after)
        return record(actor, _RESTRICTED, document, before=before, after=after)


def _groups_of(document: Document) -> list[int]:
    return sorted(document.visible_to_groups.values_list("pk", flat=True))


def _values_before(document: Document, event: AuditEvent) -> dict[str, Any]:
    """What the fields held before the event. Raises ``ValidationError`` if they moved on since."""
    values: dict[str, Any] = {}
    for name, (before, after) in event.data["changed"].items():
        if _plain(getattr(document, name)) != after:
            raise _changed_since()
        if name == "superseded_by":
            values[name] = Document.objects.filter(pk=before).first()
        else:
            field = Document._meta.get_field(name)
            values[name] = field.to_python(before) if isinstance(field, Field) else before
    return values


def _groups_before(document: Document, event: AuditEvent) -> list[Group]:
    """Whom it was restricted to before. Raises ``ValidationError``.

    Also when a group of them is gone by now: without it more people could read the document.
    """
    groups = list(Group.objects.filter(pk__in=event.data["before"]))
    if _groups_of(document) != event.data["after"] or len(groups) < len(event.data["before"]):
        raise _changed_since()
    return groups


def _changed_since() -> ValidationError:
    return ValidationError(
        _("The details have been changed again since, so this cannot be taken back by itself."),
        code="changed_since",
    )


def _locked(chunk: Chunk) -> Chunk | None:
    """The row as it is now. Without the large columns: they are not ours to write back.

    Holds the index too: passages that are being replaced while something is said of them would go
    with what was said.
    """
    lock_index(chunk.knowledge_base_id)
    return (
        Chunk.objects.select_for_update(no_key=True)
        .defer("term_weights", "term_frequencies", "term_vector", "lines")
        .filter(pk=chunk.pk)
        .first()
    )


def _say(actor: User, chunk: Chunk) -> None:
    """Keep all that is said of the passage now: its row is the last word on that text."""
    curation, _created = ChunkCuration.objects.update_or_create(
        document_id=chunk.document_id,
        text_sha256=chunk.text_sha256,
        defaults={
            "generated_text": chunk.generated_text,
            "edited_text": chunk.text if chunk.is_edited else "",
            "is_disabled": not chunk.is_enabled,
            "settled_at": None,
            "updated_by": actor,
            "updated_at": timezone.now(),
        },
    )
    if curation.edited_text or curation.is_disabled or curation.tags:
        return
    others = curations_of(chunk.document_id)
    del others[chunk.text_sha256]
    if not carrying.applied([chunk.generated_text], others):
        # Nothing is said, and nothing said of another text would be carried here again.
        curation.delete()


def _check_dates(effective: date | None, expires: date | None) -> None:
    if effective and expires and expires < effective:
        raise ValidationError({"expires_at": _("A document cannot expire before it takes effect.")})


def _check_successor(document: Document) -> None:
    """Raise ``ValidationError`` unless the successor is another document of the base, in a line."""
    successor = document.superseded_by
    if successor is not None and successor.knowledge_base_id != document.knowledge_base_id:
        raise ValidationError(
            {"superseded_by": _("The newer document must be in the same knowledge base.")}
        )
    seen = {document.pk}
    following = document.superseded_by_id
    while following is not None:
        if following in seen:
            raise ValidationError(
                {"superseded_by": _("Documents cannot supersede each other in a circle.")}
            )
        seen.add(following)
        # Asked of the database: the objects at hand may be older than what it says.
        following = (
            Document.objects.filter(pk=following).values_list("superseded_by", flat=True).first()
        )


def _plain(value: object) -> object:
    """A form of a field's value that JSON can hold."""
    if isinstance(value, Document):
        return value.pk
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else value
