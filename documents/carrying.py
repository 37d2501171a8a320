"""What curators said of passages, found again after a text was cut in another way. Pure.

A passage is named by the hash of the text as cut. Where that very text is cut again, what was said
of it holds. Where it is not, an edit is carried into the passage that holds the whole of the old
text, and "disabled" onto passages that hold nothing but parts of it. Anything else is for a curator
to decide.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from documents.analysis import analyze
from documents.chunking import count_tokens
from documents.fingerprints import sha256_of_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LEAST_TOKENS = 8
"""A shorter text may stand anywhere by chance: what was said of it is not carried elsewhere."""
MOST_PLACES = 2
"""Two passages that overlap may both hold it; a text found more often is no longer one place."""


class Said(Protocol):
    """What a curator said of one passage."""

    @property
    def generated_text(self) -> str:
        """The passage as it was cut; empty when it was not kept."""
        ...

    @property
    def edited_text(self) -> str:
        """What is searched and shown instead; empty for no edit."""
        ...

    @property
    def is_disabled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Carried:
    """What follows for a passage from what was said of others."""

    generated_text: str
    edited_text: str
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class _Edit:
    """``text[start:end]`` becomes ``instead``."""

    start: int
    end: int
    instead: str


def applied(texts: Sequence[str], said: Mapping[str, Said]) -> dict[str, Said]:
    """What holds for the passages of a document that is cut into ``texts``, by their hash.

    ``said`` is all that was said in the document, by the hash of the text it was said of.
    """
    names = {sha256_of_text(text): text for text in texts}
    holding = {name: said[name] for name in names if name in said}
    lost = _lost(names, said)
    places = {name: _places(each, names) for name, each in lost.items()}
    for name, text in names.items():
        if name in holding:
            continue
        carried = _carried(text, [lost[each] for each in lost if name in places[each]])
        if carried is not None:
            holding[name] = carried
    return holding


def orphans(texts: Sequence[str], said: Mapping[str, Said]) -> list[str]:
    """The hashes of what was said and holds nowhere in ``texts``, so that a curator must decide."""
    names = {sha256_of_text(text): text for text in texts}
    return [
        name
        for name, each in _lost(names, said).items()
        if not _is_settled(each, _places(each, names))
    ]


def likest(text: str, others: Sequence[str], most: int) -> list[int]:
    """Places in ``others`` of the texts that share most words with ``text``, best first.

    By the share of the words of both that are shared; those that share none are left out.
    """
    wanted = Counter(analyze(text))
    shares: list[tuple[float, int]] = []
    for place, other in enumerate(others):
        words = Counter(analyze(other))
        shared = (wanted & words).total()
        if shared:
            shares.append((-shared / (wanted | words).total(), place))
    return [place for _share, place in sorted(shares)[:most]]


def _lost(names: Mapping[str, str], said: Mapping[str, Said]) -> dict[str, Said]:
    """What was said of texts that are not cut any more."""
    return {
        name: each
        for name, each in said.items()
        if name not in names and (each.edited_text or each.is_disabled)
    }


def _places(said: Said, names: Mapping[str, str]) -> set[str]:
    """The hashes of the passages onto which it is carried."""
    old = said.generated_text.strip()
    if count_tokens(old) < LEAST_TOKENS:
        return set()
    if not said.edited_text:
        return {name for name, text in names.items() if _is_part(text, old)}
    within = {name for name, text in names.items() if old in text}
    return within if len(within) <= MOST_PLACES else set()


def _is_settled(said: Said, places: set[str]) -> bool:
    """Whether all of it is carried: an edit that was disabled as well is half lost in any case."""
    return bool(places) and not (said.edited_text and said.is_disabled)


def _is_part(text: str, old: str) -> bool:
    part = text.strip()
    return count_tokens(part) >= LEAST_TOKENS and part in old


def _carried(text: str, said: Sequence[Said]) -> Carried | None:
    disabled = any(each.is_disabled and not each.edited_text for each in said)
    edits: list[_Edit] = []
    for each in sorted(said, key=lambda each: (-len(each.generated_text), each.generated_text)):
        old = each.generated_text.strip()
        start = text.find(old)
        edit = _Edit(start, start + len(old), each.edited_text.strip())
        is_free = all(edit.end <= one.start or one.end <= edit.start for one in edits)
        if each.edited_text and is_free:
            edits.append(edit)
    if not edits and not disabled:
        return None
    return Carried(text, _edited(text, edits) if edits else "", disabled)


def _edited(text: str, edits: Iterable[_Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: -edit.start):
        text = text[: edit.start] + edit.instead + text[edit.end :]
    return text
