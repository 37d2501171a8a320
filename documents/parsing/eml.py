"""Mail (EML): subject, who wrote to whom and when, the text, mails inside it, names of the rest."""

from __future__ import annotations

import email
import re
from email import policy
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, clean, one_line
from documents.parsing.decoding import decode
from documents.parsing.html import add_visible_blocks, soup_of
from documents.parsing.text import add_paragraphs

if TYPE_CHECKING:
    from datetime import date
    from email.message import EmailMessage, Message
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_SHOWN = ("From", "To", "Cc", "Date")
_BROKEN_HEADER = (ValueError, IndexError, AttributeError, TypeError, KeyError, LookupError)
_DEEPEST = 10
_GROUPS = re.compile(r"\n\s*\n")
_ENCRYPTED = ("multipart/encrypted", "application/pgp-encrypted", "application/x-pkcs7-mime")
_HARD_WRAP = 160


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a mail with the mails that it forwards; other attachments are named, not read."""
    message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    builder = DocumentBuilder(context.max_characters)
    letters = _add_message(builder, message, depth=0)
    if not letters and any(part.get_content_type() in _ENCRYPTED for part in message.walk()):
        raise ParseError("encrypted", "an encrypted mail")
    sent = _sent(message)
    return builder.build(
        title=_header(message, "Subject"),
        author=_header(message, "From"),
        declared_language=_header(message, "Content-Language"),
        published=sent,
        metadata={"date": sent.isoformat() if sent else "", "to": _header(message, "To")},
    )


def add_mail_text(builder: DocumentBuilder, text: str) -> None:
    """Add plain text as mails have it: paragraphs by empty lines."""
    for group in _GROUPS.split(clean(text)):
        long = any(len(line) > _HARD_WRAP for line in group.split("\n"))
        add_paragraphs(builder, group, one_per_line=long)


def _add_message(builder: DocumentBuilder, message: Message, *, depth: int) -> int:
    """Add a mail; how many letters and digits its texts had."""
    builder.heading(_header(message, "Subject"), min(depth + 1, 6))
    named = [(name, _header(message, name)) for name in _SHOWN]
    builder.add("paragraph", "\n".join(f"{name}: {value}" for name, value in named if value))
    return _add_part(builder, message, depth=depth)


def _add_part(builder: DocumentBuilder, part: Message, *, depth: int) -> int:
    if depth > _DEEPEST:
        raise ParseError("nested", "mails inside mails")
    kind = part.get_content_type()
    inner = part.get_payload() if part.is_multipart() else []
    parts = [entry for entry in inner if not isinstance(entry, str)] if inner else []
    if kind == "message/rfc822":
        return sum(_add_message(builder, entry, depth=depth + 1) for entry in parts)
    if kind == "multipart/alternative":
        return _add_best(builder, parts, depth=depth)
    if part.is_multipart():
        return sum(_add_part(builder, entry, depth=depth + 1) for entry in parts)
    name = _filename(part)
    if name and part.get_content_disposition() == "attachment":
        builder.add("paragraph", f"{name}")
    if kind not in ("text/plain", "text/html"):
        return 0
    text = _text(part)
    if kind == "text/html":
        add_visible_blocks(builder, soup_of(text.encode()))
    else:
        add_mail_text(builder, text)
    return sum(character.isalnum() for character in text)


def _add_best(builder: DocumentBuilder, parts: list[Message], *, depth: int) -> int:
    """Of the same text in several forms the plain one, unless it only points to the other."""
    plain = next((p for p in parts if p.get_content_type() == "text/plain"), None)
    others = [part for part in parts if part is not plain]
    if plain is not None and (not others or len(_text(plain).split()) >= 20):
        return _add_part(builder, plain, depth=depth + 1)
    return _add_part(builder, others[-1], depth=depth + 1) if others else 0


def _text(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes) or not data.strip(b"\x00 \t\r\n"):
        return ""
    try:
        return decode(data, part.get_content_charset("") or "")
    except ParseError:
        return ""  # a picture that calls itself text


def _header(message: Message, name: str) -> str:
    try:
        return one_line(str(message.get(name, "")))
    except _BROKEN_HEADER:
        return ""


def _filename(part: Message) -> str:
    try:
        return one_line(part.get_filename() or "")
    except _BROKEN_HEADER:
        return ""


def _sent(message: Message | EmailMessage) -> date | None:
    try:
        return parsedate_to_datetime(_header(message, "Date")).date()
    except _BROKEN_HEADER:
        return None
