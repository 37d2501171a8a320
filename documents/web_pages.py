"""A page on the web, fetched by a worker and handed to the ordinary upload."""

from __future__ import annotations

import codecs
import hashlib
import logging
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction

from documents import delivery_claims, fetching, uploading
from documents.deliveries import DeliveredFile, Delivery
from documents.delivery_setbacks import settle
from documents.fetching import FetchRefused
from documents.models import ParsedText
from documents.parsing.base import ParseError
from documents.parsing.registry import SUPPORTED
from documents.parsing.runner import parse_file

if TYPE_CHECKING:
    from documents.delivery_claims import Claim
    from documents.fetching import FetchedPage
    from documents.models import Document
    from documents.uploading import UploadOutcome

__all__ = ["fetch"]

logger = logging.getLogger(__name__)

Outcome = DeliveredFile.Outcome

TIME_LIMIT_S = 60.0
READING_S = 60.0
RECOGNITION_S = 120.0
"""All three together are less than a worker's time for a page, ``delivery_tasks``."""
LARGEST_PAGE_MB = 50
_SAME_TYPE = {
    "application/xhtml+xml": "text/html",
    "application/xml": "text/xml",
    "application/csv": "text/csv",
    "text/x-markdown": "text/markdown",
}
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_NAME_LENGTH = 100
_CHARSETS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
        *("utf-32", "utf-32-le", "utf-32-be"),
        *("gb2312", "gbk", "gb18030", "hz", "big5", "big5hkscs", "cp950"),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949", "johab"),
        *(f"iso8859-{part}" for part in range(1, 17) if part != 12),
        *(f"cp125{part}" for part in range(9)),
        *("cp437", "cp850", "cp852", "cp855", "cp866", "cp874", "tis-620"),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"),
    )
)
"""Encodings that pages are written in. Others that Python knows are no text (``punycode`` takes
minutes for a page, ``unicode_escape`` changes what it says)."""


def fetch(delivery_id: int) -> None:
    """Fetch a page that waits, as a new document or as a new version of one.

    Does nothing when it does not wait. What goes wrong is stored on the row, not raised.
    """
    held = delivery_claims.claim(delivery_id, Delivery.Kind.WEB_PAGE)
    if held is None:
        return
    settle(held, lambda: _fetch(held, held.row()))


def _fetch(held: Claim, delivery: Delivery) -> None:
    if not settings.RAGSITE_WEB_PAGES:
        raise FetchRefused("web_off")
    delivery_claims.requester(delivery)
    page = fetching.fetch(
        delivery.address,
        max_bytes=min(settings.RAGSITE_MAX_UPLOAD_MB, LARGEST_PAGE_MB) * 1024**2,
        time_limit_s=TIME_LIMIT_S,
        cancelled=held.cancellation(),
    )
    data, name = text_of(page), name_of(page)
    held.write()
    says_the_same = delivery.document is not None and _says_the_same(
        held, delivery.document, data, name
    )
    with transaction.atomic():
        held.write(progress_done=1, progress_total=1)
        file = DeliveredFile(delivery=delivery, position=0, name=str(page.address), size=len(data))
        if says_the_same:
            file.outcome, file.document = Outcome.UNCHANGED, delivery.document
        else:
            taken = _take(delivery, data, name)
            file.document = taken.document
            file.outcome = _outcome(delivery, taken)
        file.save(force_insert=True)
        held.finish()


def _take(delivery: Delivery, data: bytes, name: str) -> UploadOutcome:
    actor = delivery_claims.requester(delivery)
    file = ContentFile(data, name=name)
    provenance = uploading.Provenance(source_url=delivery.address, delivery=delivery.pk)
    if delivery.document is None:
        return uploading.upload(
            actor=actor,
            knowledge_base=delivery.knowledge_base,
            file=file,
            provenance=provenance,
        )
    return uploading.upload_version(
        actor=actor, document=delivery.document, file=file, provenance=provenance
    )


def _outcome(delivery: Delivery, taken: UploadOutcome) -> DeliveredFile.Outcome:
    if not taken.duplicate:
        return Outcome.STORED
    return Outcome.UNCHANGED if taken.document == delivery.document else Outcome.KNOWN


def _says_the_same(held: Claim, document: Document, data: bytes, name: str) -> bool:
    """Whether the page says what the searched version says: its bytes change with every visit.

    A scan of other bytes that takes longer than ``RECOGNITION_S`` counts as another. Raises
    ``ParseError`` when the claim is lost meanwhile.
    """
    searched = document.current_version
    kept = ParsedText.objects.filter(version=searched).first()
    if searched is None or kept is None:
        return False
    if searched.sha256 == hashlib.sha256(data).hexdigest():
        return True
    with tempfile.TemporaryDirectory(prefix="ragsite-page-") as folder:
        path = Path(folder, "page")
        path.write_bytes(data)
        try:
            found = parse_file(
                path,
                SUPPORTED[PurePosixPath(name).suffix],
                time_limit_s=READING_S,
                recognition_s=RECOGNITION_S,
                cancelled=held.cancellation(),
            )
        except ParseError as error:
            if error.code == "cancelled":
                raise
            return False  # the version will say what is wrong
    return found.text == kept.text


def name_of(page: FetchedPage) -> str:
    """A file name for the page, whose ending is of its type. Raises ``FetchRefused``."""
    path = PurePosixPath(unquote(urlsplit(str(page.address)).path))
    given = path.suffix.lower()
    media_type = _SAME_TYPE.get(page.media_type, page.media_type)
    fitting = [ending for ending, known in SUPPORTED.items() if known == media_type]
    # Where the server does not know, or knows only that it is text, the address may.
    is_vague = media_type in _UNKNOWN or (
        media_type == "text/plain" and SUPPORTED.get(given, "").startswith("text/")
    )
    if given in fitting or is_vague:
        stem, ending = path.stem, given
    else:
        stem, ending = path.name, fitting[0] if fitting else ""
    stem = stem or page.address.host
    if ending not in SUPPORTED:
        raise FetchRefused("web_type", page.media_type)
    stem = "".join(letter for letter in stem if letter.isprintable() and letter not in "/\\")
    return (stem[:_NAME_LENGTH] or "page") + ending


def text_of(page: FetchedPage) -> bytes:
    """The content; text in the encoding that the server named is made UTF-8, with a mark.

    What the server says goes before what the text says of itself, and the mark is how a parser,
    which sees only the bytes, learns of it.
    """
    is_text = page.media_type.startswith("text/") and not page.media_type.endswith("xml")
    if not page.charset or not (is_text or page.media_type == "application/xhtml+xml"):
        return page.data
    try:
        name = codecs.lookup(page.charset).name
        if name not in _CHARSETS:
            return page.data
        return codecs.BOM_UTF8 + page.data.decode(name).removeprefix("\ufeff").encode()
    except (LookupError, ValueError):
        return page.data  # wrong or unknown: the parser finds out
