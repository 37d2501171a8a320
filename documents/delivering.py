"""Archives and web pages, asked for: put on record here, taken in by a worker."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.audit import record
from documents import access, delivery_claims, uploading, web_addresses
from documents.deliveries import Delivery
from documents.delivery_problems import explain_delivery
from documents.delivery_tasks import task_of
from documents.fingerprints import sha256_of
from documents.parsing.unpacking import ENDING
from documents.queueing import enqueue_on_commit
from documents.uploading import UploadRefused
from documents.web_addresses import AddressRefused

if TYPE_CHECKING:
    from django.core.files.base import File

    from accounts.models import User
    from documents.models import Document, KnowledgeBase

ENDINGS = (ENDING,)
"""Of files that are archives and no documents."""
_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_NAME_LENGTH = 255
_STATES = Delivery.State


@dataclass(frozen=True, slots=True)
class Asked:
    """A delivery that waits, and whether it did already."""

    delivery: Delivery
    duplicate: bool = False


def is_archive(filename: str) -> bool:
    return filename.lower().endswith(ENDINGS)


def request_archive(*, actor: User, knowledge_base: KnowledgeBase, file: File[bytes]) -> Asked:
    """Keep an archive until a worker takes the documents out of it. Raises ``UploadRefused``."""
    filename = uploading.filename_of(file)
    size = uploading.check_size(file, settings.RAGSITE_MAX_ARCHIVE_MB)
    file.seek(0)
    if not file.read(4).startswith(_SIGNATURES):
        raise uploading.refusal("mislabelled")
    file.seek(0)
    sha256 = sha256_of(file)
    file.seek(0)
    waiting = knowledge_base.deliveries.filter(sha256=sha256, state__in=Delivery.UNFINISHED).first()
    if waiting is not None:
        return Asked(waiting, duplicate=True)
    delivery = Delivery(
        knowledge_base=knowledge_base,
        kind=Delivery.Kind.ARCHIVE,
        name=filename,
        size=size,
        sha256=sha256,
        requested_by=actor,
    )
    with ExitStack() as undo:
        uploading.keep(delivery.original, ENDING, file, undo)
        with transaction.atomic():
            _put_on_record(actor, delivery, filename=filename, size=size, sha256=sha256)
            transaction.on_commit(undo.pop_all)
            enqueue_on_commit(task_of(delivery.kind), delivery.pk)
        undo.pop_all()
    return Asked(delivery)


def request_page(*, actor: User, knowledge_base: KnowledgeBase, address: str) -> Asked:
    """Have the page at ``address`` fetched as a document, or again if there is one of it already.

    The address is looked at, not asked for: only a worker goes there. Raises ``UploadRefused``.
    """
    checked = _checked(address)
    known = (
        access.documents_for(actor, role="curator")
        .filter(knowledge_base=knowledge_base, source_url=checked)
        .order_by("pk")
        .first()
    )
    return _request_page(actor, knowledge_base, checked, known)


def fetch_again(*, actor: User, document: Document) -> Asked:
    """Have the document's page fetched; it gets a new version if that says something else.

    Raises ``UploadRefused`` for a document without a public address.
    """
    checked = _checked(document.source_url)
    return _request_page(actor, document.knowledge_base, checked, document)


def cancel(*, actor: User, delivery: Delivery) -> bool:
    """End it within seconds; what was taken stays. False when it had ended before."""
    with transaction.atomic():
        ended = Delivery.objects.filter(pk=delivery.pk, state__in=Delivery.UNFINISHED).update(
            state=_STATES.CANCELLED, finished_at=timezone.now(), error_code="cancelled"
        )
        if ended:
            record(actor, "delivery.cancel", delivery, name=delivery.name)
            transaction.on_commit(_erase, robust=True)
    return bool(ended)


def try_again(*, actor: User, delivery: Delivery) -> bool:
    """Go on with one that failed, where it ended. False when it did not, or is kept no more."""
    with transaction.atomic():
        failed = Delivery.objects.filter(pk=delivery.pk, state=_STATES.FAILED)
        if delivery.kind == Delivery.Kind.ARCHIVE:
            failed = failed.exclude(original="")
        queued = failed.update(
            state=_STATES.PENDING,
            error_code="",
            error_detail="",
            lost_attempts=0,
            heartbeat_at=timezone.now(),
            finished_at=None,
        )
        if queued:
            record(actor, "delivery.retry", delivery, name=delivery.name)
            enqueue_on_commit(task_of(delivery.kind), delivery.pk)
    return bool(queued)


def _request_page(
    actor: User, base: KnowledgeBase, address: str, document: Document | None
) -> Asked:
    with transaction.atomic():
        waiting = base.deliveries.filter(
            kind=Delivery.Kind.WEB_PAGE, address=address, state__in=Delivery.UNFINISHED
        ).first()
        if waiting is not None:
            return Asked(waiting, duplicate=True)
        delivery = Delivery(
            knowledge_base=base,
            kind=Delivery.Kind.WEB_PAGE,
            name=address[:_NAME_LENGTH],
            address=address,
            document=document,
            requested_by=actor,
        )
        _put_on_record(actor, delivery, address=address)
        enqueue_on_commit(task_of(delivery.kind), delivery.pk)
    return Asked(delivery)


def _put_on_record(actor: User, delivery: Delivery, **data: object) -> None:
    delivery.save(force_insert=True)
    record(
        actor,
        f"delivery.request_{delivery.kind}",
        delivery,
        knowledge_base=delivery.knowledge_base.slug,
        **data,
    )


def _checked(address: str) -> str:
    """The address as it is fetched and kept."""
    if not settings.RAGSITE_WEB_PAGES:
        raise _refusal("web_off")
    try:
        return str(web_addresses.parse(address))
    except AddressRefused as error:
        raise _refusal("web_address") from error


def _refusal(code: str) -> UploadRefused:
    problem = explain_delivery(code)
    return UploadRefused(code, f"{problem.sentence} {problem.remedy}")


def _erase() -> None:
    delivery_claims.erase_originals()
