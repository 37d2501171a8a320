"""Keeps the Chinese catalogue in step with the source, without gettext's system tools.

``python -m ragsite.catalogue extract`` writes new strings into the ``.po`` file and drops those
that are gone; ``compile`` makes the ``.mo`` file that Django reads (it is not in the repository);
``check`` ends with 1 and one line per fault when the catalogue is not complete.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import polib
from babel.messages.extract import extract as extract_python
from django.utils.translation.template import templatize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("accounts", "documents", "qa", "ragsite")
TEMPLATES = "templates"
CATALOGUE = Path("locale", "zh_Hans", "LC_MESSAGES", "django.po")
HEADER = {
    "Project-Id-Version": "Ragsite",
    "Language": "zh_Hans",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=1; plural=0;",
}

# Which arguments of which call hold a message, and which one its context ("c").
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_PLACEHOLDER = re.compile(r"%%|%\(\w+\)[#0\- +]?[\d.]*[a-z]|%[#0\- +]?[\d.]*[a-z]|\{\w*[^{}\s]*\}")

Key = tuple[str, str]
"""A message's context, ``""`` for none, and its singular form."""


@dataclass(slots=True)
class Message:
    """One string to translate, as the source has it."""

    context: str
    singular: str
    plural: str = ""
    files: set[str] = field(default_factory=set)
    comments: set[str] = field(default_factory=set)

    @property
    def key(self) -> Key:
        return (self.context, self.singular)


def messages_in(source: str, *, is_template: bool) -> Iterator[Message]:
    """The messages of one Python module or Django template.

    Raises ``SyntaxError`` or ``TokenError`` when the text cannot be read as what it is.
    """
    if is_template:
        # Brackets, because the blanked-out template has no indentation that Python could follow.
        source = f"({templatize(source)}\n)"
    found = extract_python(
        "python",
        BytesIO(source.encode()),
        keywords=KEYWORDS,
        comment_tags=("Translators:",),
        options={"encoding": "utf-8"},
        strip_comment_tags=True,
    )
    for _line, text, comments, context in found:
        forms = (text,) if isinstance(text, str) else tuple(text)
        singular, plural = (*forms, "")[:2]
        if singular:
            yield Message(context or "", singular, plural, comments=set(comments))


def source_files(root: Path) -> list[Path]:
    """Every Python module and template of ours that may hold a string, in a stable order."""
    python = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    templates = [path for path in (root / TEMPLATES).rglob("*") if path.suffix in {".html", ".txt"}]
    return sorted(path for path in python + templates if "migrations" not in path.parts)


def extract(root: Path) -> dict[Key, Message]:
    """All messages of the source, each with the files that it stands in."""
    found: dict[Key, Message] = {}
    for path in source_files(root):
        text = path.read_text(encoding="utf-8")
        for message in messages_in(text, is_template=path.suffix != ".py"):
            known = found.setdefault(message.key, message)
            known.plural = known.plural or message.plural
            known.comments |= message.comments
            known.files.add(path.relative_to(root).as_posix())
    return found


def merge(messages: Iterable[Message], translated: polib.POFile) -> polib.POFile:
    """A catalogue of exactly ``messages``, sorted, with the translations that are known."""
    known = {_key(entry): entry for entry in translated if not entry.obsolete}
    merged = polib.POFile(wrapwidth=100)
    merged.metadata = dict(HEADER)
    for message in sorted(messages, key=lambda message: (message.singular, message.context)):
        old = known.get(message.key)
        text = _translation(old) if old else ""
        entry = polib.POEntry(
            msgctxt=message.context or None,
            msgid=message.singular,
            msgid_plural=message.plural,
            comment="\n".join(sorted(message.comments)),
            # Without line numbers: an unrelated edit must not change the catalogue.
            occurrences=[(file, "") for file in sorted(message.files)],
        )
        if message.plural:
            entry.msgstr_plural = {0: text}
        else:
            entry.msgstr = text
        if old and old.fuzzy:
            entry.flags = ["fuzzy"]
        merged.append(entry)
    return merged


def faults(messages: dict[Key, Message], translated: polib.POFile) -> list[str]:
    """What keeps the catalogue from being complete, one sentence each; empty when it is."""
    known = {_key(entry): entry for entry in translated if not entry.obsolete}
    said = []
    for key, message in messages.items():
        entry = known.get(key)
        text = _translation(entry) if entry else ""
        if not entry or not text:
            said.append(f"{message.singular!r} is not translated ({', '.join(message.files)}).")
        elif entry.fuzzy:
            said.append(f"{message.singular!r} is marked fuzzy.")
        elif placeholders(text) != placeholders(message.plural or message.singular):
            said.append(f"{message.singular!r} and {text!r} differ in their placeholders.")
    said.extend(
        f"{singular!r} is in the catalogue and no longer in the source."
        for context, singular in known.keys() - messages.keys()
    )
    return said


def placeholders(text: str) -> list[str]:
    """``%(name)s``, ``%d`` and ``{name}`` in ``text``, sorted, each as often as it occurs."""
    return sorted(found for found in _PLACEHOLDER.findall(text) if found != "%%")


def compile_catalogue(source: Path) -> Path:
    """Write the ``.mo`` file beside ``source`` and return its path."""
    target = source.with_suffix(".mo")
    # Written beside and moved into place: a process that starts now reads a whole file, and two
    # that compile at once do not write into each other's.
    draft = target.with_name(f".{os.getpid()}.{target.name}")
    polib.pofile(str(source)).save_as_mofile(str(draft))
    draft.replace(target)
    return target


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Run one of the three commands; the exit status is 0, or 1 when ``check`` finds a fault."""
    parser = argparse.ArgumentParser(prog="python -m ragsite.catalogue", description=__doc__)
    parser.add_argument("command", choices=("extract", "compile", "check"))
    command = parser.parse_args(arguments).command
    source = root / CATALOGUE
    if command == "compile":
        compile_catalogue(source)
        return 0
    messages = extract(root)
    translated = polib.pofile(str(source)) if source.exists() else polib.POFile()
    if command == "extract":
        source.parent.mkdir(parents=True, exist_ok=True)
        merge(messages.values(), translated).save(str(source))
        return 0
    said = faults(messages, translated)
    sys.stdout.writelines(f"{fault}\n" for fault in said)
    return 1 if said else 0


def _key(entry: polib.POEntry) -> Key:
    return (entry.msgctxt or "", entry.msgid)


def _translation(entry: polib.POEntry) -> str:
    return str(entry.msgstr_plural.get(0, "")) if entry.msgid_plural else str(entry.msgstr)


if __name__ == "__main__":
    sys.exit(main())
