"""Whether the first source of an answer is one for lay readers, counted. Pure.

Documents of a collection are ``lay`` or ``technical`` (or something else, such as a guideline).
For lay questions the first source should be a lay one; recall alone cannot see the difference.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from qa.targets import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FORMAT = 2
ORDERS = {
    "fused": "recall alone",
    "relevance_only": 'rerank, "relevance only"',
    "balanced": 'rerank, "balanced"',
    "ordered": 'rerank, "balanced": first in the order, source or not',
}
"""Recall alone knows no floor. ``ordered`` is what stands first after rerank on the same terms."""
LAY, TECHNICAL, NONE = "lay", "technical", "none"
"""``none``: no passage is above the relevance floor, so the answer has no source."""

GROUPS = {
    "health": "Lay questions about health",
    "sleep": "How to sleep better, asked in ten ways",
}
TARGETS = {"health": (10, 12), "sleep": (9, 10)}
"""How often the first source must be a lay one with ``balanced``, of how many questions."""

LANGUAGES = {"en": "English", "zh": "Chinese"}


@dataclass(frozen=True, slots=True)
class FirstSource:
    """The document that comes first, and for whom it was written."""

    document: str
    """Its file name; ``""`` when there is no source."""
    kind: str


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    group: str
    """A key of ``GROUPS``."""
    text: str
    language: str
    reason: str
    """Why it was not reranked and all orders are fused, as ``types.Reason``; ``""`` if it was."""
    first: Mapping[str, FirstSource]
    """Order -> its first source."""


@dataclass(frozen=True, slots=True)
class FirstSources:
    """All questions asked of one collection."""

    collection: str
    documents: int
    meta: Mapping[str, str]
    """Commit, embedder and reranker."""
    questions: Sequence[AskedQuestion]


class NotCounted(ValueError):
    """The file is not one that ``write_counts`` wrote."""


def count(questions: Sequence[AskedQuestion], order: str) -> Counter[str]:
    """Kind -> how many of the questions have a first source of it in that order."""
    return Counter(question.first[order].kind for question in questions)


def groups(found: FirstSources) -> Iterator[tuple[str, str, list[AskedQuestion]]]:
    """Group, language and questions, of those that were asked."""
    for group in GROUPS:
        for language in LANGUAGES:
            asked = [
                each for each in found.questions if (each.group, each.language) == (group, language)
            ]
            if asked:
                yield group, language, asked


def count_verdicts(found: FirstSources) -> list[Verdict]:
    """The counts held against the figures to reach; a group asked in part is left out."""
    verdicts: list[Verdict] = []
    for group, language, asked in groups(found):
        least, of = TARGETS[group]
        if len(asked) == of:
            lay = count(asked, "balanced")[LAY]
            verdicts.append(
                Verdict(
                    f"{GROUPS[group]} ({LANGUAGES[language]}, {found.documents} documents): "
                    'first source a lay one with "balanced"',
                    f"at least {least} of {of}",
                    f"{lay} of {of}; with recall alone {count(asked, 'fused')[LAY]}, with "
                    f'"relevance only" {count(asked, "relevance_only")[LAY]}, '
                    f"first in the order, source or not, {count(asked, 'ordered')[LAY]}",
                    lay >= least,
                )
            )
    return verdicts


def counts_section(found: FirstSources) -> list[str]:
    """Lines of a Markdown section: the counts, and each question with its first sources."""
    lines = [
        f"## First sources: {found.collection}, {found.documents} documents",
        "",
        f"Commit {found.meta.get('commit') or 'unknown'}; embedder "
        f"{found.meta.get('embedder') or 'none'}; reranker {found.meta.get('reranker') or 'none'}. "
        "How often the first source is one for lay readers, a technical one, or none (nothing "
        "above the relevance floor).",
        "",
        "| questions | order | lay | technical | other | none |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for group, language, asked in groups(found):
        for order, words in ORDERS.items():
            kinds = count(asked, order)
            other = kinds.total() - kinds[LAY] - kinds[TECHNICAL] - kinds[NONE]
            lines.append(
                f"| {GROUPS[group]}, {LANGUAGES[language]}, {len(asked)} questions | {words} | "
                f"{kinds[LAY]} | {kinds[TECHNICAL]} | {other} | {kinds[NONE]} |"
            )
    reasons = Counter(each.reason for each in found.questions if each.reason)
    if reasons:
        told = ", ".join(f"{times} (`{reason}`)" for reason, times in reasons.most_common())
        lines += ["", f"Not reranked, of {len(found.questions)} questions: {told}."]
    lines += ["", "| question | " + " | ".join(ORDERS.values()) + " |"]
    lines.append("|---|" + "---|" * len(ORDERS))
    for _group, _language, asked in groups(found):
        for each in asked:
            cells = (_cell(each.first[order]) for order in ORDERS)
            lines.append(f"| {_escaped(each.text)} | {' | '.join(cells)} |")
    return lines


def write_counts(path: Path, found: FirstSources) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    form = {"format": FORMAT, **asdict(found)}
    path.write_text(json.dumps(form, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_counts(path: Path) -> FirstSources:
    """What ``write_counts`` wrote. Raises ``NotCounted``."""
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        if form["format"] != FORMAT:
            message = f"{path} has format {form['format']}, expected {FORMAT}"
            raise NotCounted(message)
        return FirstSources(
            collection=form["collection"],
            documents=form["documents"],
            meta=form["meta"],
            questions=[
                AskedQuestion(
                    **{
                        **question,
                        "first": {
                            order: FirstSource(**source)
                            for order, source in question["first"].items()
                        },
                    }
                )
                for question in form["questions"]
            ],
        )
    except NotCounted:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} cannot be read: {error!r}"
        raise NotCounted(message) from error


def _cell(source: FirstSource) -> str:
    return f"{source.kind}: {_escaped(source.document)}" if source.document else source.kind


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
