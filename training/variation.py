"""Other forms of a training list, for texts and questions that the data sets do not have.

People type key words as well as sentences, and their documents have no titles, no punctuation, or
abstracts in place of answers. Each form leaves the list's passages the same and in their order.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from documents.stopwords import ENGLISH_STOP_WORDS

if TYPE_CHECKING:
    import random

    from training.sampling import TrainingList

CLOZE_SHARE, PLAIN_SHARE, KEYWORDS_SHARE = 0.15, 0.10, 0.10
SHORTEST_SENTENCE = {"en": 40, "zh": 12}
"""In characters: a shorter sentence says too little to be searched for."""
LONGEST_SENTENCE = 200

_SENTENCE = re.compile(r"[^.!?。！？]+[.!?。！？]+")
_NO_WORD = re.compile(r"[^\w\s]|\d", re.UNICODE)


def without_title(passage: str) -> str:
    """The passage without its first line, where it has more than one."""
    return passage.partition("\n")[2] or passage


def plain(item: TrainingList) -> TrainingList:
    """Passages without titles, punctuation and figures, as in old collections of abstracts."""
    passages = (_NO_WORD.sub(" ", without_title(text)) for text in item.passages)
    return replace(item, passages=tuple(" ".join(text.split()) for text in passages))


def keywords(item: TrainingList) -> TrainingList:
    """An English question as key words."""
    words = re.findall(r"\w+", item.question.lower())
    kept = [word for word in words if word not in ENGLISH_STOP_WORDS]
    return replace(item, question=" ".join(kept)) if kept else item


def cloze(item: TrainingList, chance: random.Random) -> TrainingList:
    """One sentence of the answering passage as the question, taken out of the passage.

    Lee et al. 2019, "Latent Retrieval for Weakly Supervised Open Domain Question Answering". Its
    first-stage scores are unknown, so they are zero for all passages.
    """
    title, _, text = item.passages[0].rpartition("\n")
    sentences = [
        match
        for match in _SENTENCE.finditer(text)
        if SHORTEST_SENTENCE[item.language] <= len(match[0]) <= LONGEST_SENTENCE
    ]
    if len(sentences) < 2:
        return item
    taken = chance.choice(sentences)
    rest = f"{text[: taken.start()]} {text[taken.end() :]}".strip()
    nothing = (0.0,) * len(item.passages)
    return replace(
        item,
        question=taken[0].strip(),
        passages=(f"{title}\n{rest}" if title else rest, *item.passages[1:]),
        cosine=nothing,
        lexical=nothing,
    )


def vary(item: TrainingList, chance: random.Random) -> TrainingList:
    """The list as it is, or by chance in one of the other forms."""
    drawn = chance.random()
    if drawn < CLOZE_SHARE:
        return cloze(item, chance)
    if drawn < CLOZE_SHARE + PLAIN_SHARE:
        return plain(item)
    if drawn < CLOZE_SHARE + PLAIN_SHARE + KEYWORDS_SHARE and item.language == "en":
        return keywords(item)
    return item
