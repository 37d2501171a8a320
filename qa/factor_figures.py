"""Whether readability and completeness tell apart what they should, as figures. Knows no Django.

Readability: passages of texts for lay readers should be above those of technical ones.
Completeness: of a question's passages the one that answers should be above those that do not.
"""

from __future__ import annotations

import gzip
import json
import math
import random
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import TYPE_CHECKING, Any

from documents.analysis import analyze, content_terms
from documents.chunking import chunk
from documents.parsing.base import ParserContext
from documents.parsing.registry import detect_media_type, parser_for
from documents.readability import measure_readability
from documents.types import ChunkRecipe
from qa.aspects import asked_aspects
from qa.scoring import completeness
from qa.types import QuestionTerm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MOST_CHARACTERS = 1200
"""Of a training passage: about what the product cuts a chunk to."""
MOST_COUNTED = 4000
"""Passages from which document frequencies are counted."""


@dataclass(frozen=True, slots=True)
class ReadabilityFigures:
    name: str
    language: str
    lay: int
    technical: int
    """Documents."""
    by_document: float
    """Area under the curve of the mean over a document's passages."""
    by_passage: float
    lay_mean: float
    technical_mean: float


@dataclass(frozen=True, slots=True)
class CompletenessFigures:
    name: str
    questions: int
    words: float
    """Share of pairs in order by the words of the question alone, ties counted half."""
    with_aspects: float
    """The same by the product's completeness."""


def area_under_curve(high: Sequence[float], low: Sequence[float]) -> float:
    """The chance that one of ``high`` is above one of ``low``, ties counted half. In [0, 1].

    1 is a perfect separation, 0.5 none. Raises ``ValueError`` when a group is empty.
    """
    if not high or not low:
        message = "both groups need a value"
        raise ValueError(message)
    ordered = sorted(low)
    below = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in high)
    return below / (2 * len(high) * len(low))


def readability_figures(folder: Path) -> list[ReadabilityFigures]:
    """One per language of the articles in ``folder``, of which ``index.jsonl`` tells the kind.

    Cut into passages as the product cuts them. "lay" and "consumer" are for lay readers,
    guidelines are left out, everything else is technical.
    """
    scores: dict[str, dict[bool, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "guideline":
            continue
        language = entry.get("language", "en")
        is_lay = entry["kind"] in ("lay", "consumer")
        scores[language][is_lay].append(_passage_scores(folder / entry["file"]))
    return [
        _separation(folder.name, language, groups[True], groups[False])
        for language, groups in sorted(scores.items())
    ]


def _separation(
    name: str, language: str, lay: Sequence[list[float]], technical: Sequence[list[float]]
) -> ReadabilityFigures:
    lay_means = [fmean(scores) for scores in lay]
    technical_means = [fmean(scores) for scores in technical]
    return ReadabilityFigures(
        name=name,
        language=language,
        lay=len(lay),
        technical=len(technical),
        by_document=area_under_curve(lay_means, technical_means),
        by_passage=area_under_curve(list(chain(*lay)), list(chain(*technical))),
        lay_mean=fmean(lay_means),
        technical_mean=fmean(technical_means),
    )


def _passage_scores(path: Path) -> list[float]:
    parser = parser_for(detect_media_type(path.name, path.read_bytes()[:2048]))
    drafts = chunk(parser.parse(path, ParserContext()), ChunkRecipe())
    return [measure_readability(draft.text, draft.language).score for draft in drafts]


def completeness_figures(folder: Path, *, questions: int, seed: int) -> CompletenessFigures:
    """Of a seeded sample of a training set's pairs that have at least three negatives."""
    passages = {entry["id"]: entry for entry in _lines(folder / "passages.jsonl.gz")}
    pairs = [pair for pair in _lines(folder / "pairs.jsonl.gz") if len(pair["neg_ids"]) >= 3]
    draw = random.Random(seed)  # noqa: S311
    draw.shuffle(pairs)
    counted = draw.sample(sorted(passages), min(MOST_COUNTED, len(passages)))
    idf = _Idf(_text_of(passages[key]) for key in counted)
    plain: list[float] = []
    full: list[float] = []
    for pair in pairs[:questions]:
        terms = [
            QuestionTerm(token, surface, idf.of(token))
            for token, surface in content_terms(pair["query"])
        ]
        asked = asked_aspects(pair["query"])
        texts = [_text_of(passages[key]) for key in (pair["positive_id"], *pair["neg_ids"])]
        by_words = [_share_of_words(terms, text) for text in texts]
        by_all = [completeness(terms, text, asked)[0] for text in texts]
        plain.append(area_under_curve(by_words[:1], by_words[1:]))
        full.append(area_under_curve(by_all[:1], by_all[1:]))
    return CompletenessFigures(folder.name, len(plain), fmean(plain), fmean(full))


class _Idf:
    """As the index computes it (BM25), over a sample of passages."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.frequencies: Counter[str] = Counter()
        self.count = 0
        for text in texts:
            self.frequencies.update(set(analyze(text)))
            self.count += 1

    def of(self, token: str) -> float:
        holding = self.frequencies[token]
        return math.log(1 + (self.count - holding + 0.5) / (holding + 0.5))


def _share_of_words(terms: list[QuestionTerm], text: str) -> float:
    tokens = set(analyze(text))
    total = sum(term.idf for term in terms)
    held = sum(term.idf for term in terms if term.token in tokens)
    return held / total if total > 0 else 0.5


def _text_of(entry: Mapping[str, Any]) -> str:
    return f"{entry.get('title') or ''}\n{entry['text']}"[:MOST_CHARACTERS]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def markdown(
    readability: Iterable[ReadabilityFigures],
    completeness_: Iterable[CompletenessFigures],
    *,
    command: str,
) -> str:
    """The page ``docs/factors.md``."""
    lines = [_HEAD % {"command": command}]
    lines += [
        f"| {each.name} | {each.language} | {each.lay} | {each.technical} | {each.by_document:.3f}"
        f" | {each.by_passage:.3f} | {each.lay_mean:.2f} | {each.technical_mean:.2f} |"
        for each in readability
    ]
    lines.append(_COMPLETENESS)
    lines += [
        f"| {each.name} | {each.questions} | {each.words:.4f} | {each.with_aspects:.4f} |"
        for each in completeness_
    ]
    return "\n".join(lines) + "\n"


_HEAD = """\
# Factors

Whether readability and completeness tell apart what they should. Made by a command; do not edit by hand:

```
%(command)s
```

## Readability: lay above technical

Articles for lay readers against papers and abstracts on the same subjects, cut into passages as the product cuts them. Area under the ROC curve: 1 is a perfect separation, 0.5 none.

| texts | language | lay | technical | by document | by passage | mean lay | mean technical |
|---|---|---:|---:|---:|---:|---:|---:|"""  # noqa: E501

_COMPLETENESS = """
## Completeness: the answer above the rest

Share of pairs of an answering and a not answering passage (up to 8 hard negatives a question) that are in the right order, ties counted half: by the words of the question alone, and by completeness with its aspects, other words for them, and single Chinese characters. Their weights were chosen on samples of the same training sets, not on any evaluation set.

| training set | questions | words alone | completeness |
|---|---:|---:|---:|"""  # noqa: E501
