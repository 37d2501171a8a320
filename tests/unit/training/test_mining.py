from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from inference.fake import FakeEmbedder
from training.mining import Corpus, Miner, Source, cut, draw, top, write
from training.prepare import is_held_out
from training.sampling import read_mined

HELD_OUT = next(f"subject {n}" for n in range(1_000) if is_held_out(f"subject {n}"))
TRAINED = next(f"subject {n}" for n in range(1_000) if not is_held_out(f"subject {n}"))


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def data(folder: Path) -> Path:
    passages = [
        {"id": "a", "group": TRAINED, "title": "Sleep", "text": "Dim the lights."},
        {"id": "b", "group": TRAINED, "title": "", "text": "Fruit has sugar."},
        {"id": "c", "group": HELD_OUT, "title": "Rest", "text": "Rest a lot."},
    ]
    pairs = [
        {"query": "sleep", "positive_id": "a", "group": TRAINED, "lang": "en"},
        {"query": "fruit?", "positive_id": "b", "group": TRAINED, "lang": "en"},
        {"query": "rest?", "positive_id": "c", "group": HELD_OUT, "lang": "en"},
        {"query": "睡", "positive_id": "a", "group": TRAINED, "lang": "zh"},
    ]
    write_lines(folder / "passages.jsonl.gz", passages)
    write_lines(folder / "pairs.jsonl.gz", pairs)
    return folder


def drawn(
    folder: Path, questions: int = 10, held_out: int = 300
) -> tuple[Corpus, list[dict[str, Any]]]:
    source = Source("any", "en", 10, questions, held_out)
    return draw(data(folder), source, random.Random(1))


def corpus_of(*texts: str, groups: tuple[str, ...] = ()) -> Corpus:
    corpus = Corpus()
    for number, text in enumerate(texts):
        group = groups[number] if groups else f"g{number}"
        corpus.add({"id": f"p{number}", "group": group, "text": text}, "")
    return corpus


def pair(question: str, positive: str, *answers: str, group: str = "g0") -> dict[str, Any]:
    return {
        "query": question,
        "positive_id": positive,
        "group": group,
        "answers": list(answers),
    }


WORDS = [f"Sleep and {word} are words about nights." for word in ("owls", "moths", "bats", "dew")]


def test_a_long_passage_is_cut_as_the_product_cuts_it_each_piece_under_its_title() -> None:
    found = cut("Sleep", "A short sentence about sleep. " * 80)
    assert len(found) > 1
    assert all(text.startswith("Sleep\n") for text in found)


def test_only_pairs_of_the_language_are_drawn_those_to_train_on_first(tmp_path: Path) -> None:
    corpus, pairs = drawn(tmp_path)
    assert sorted(corpus.chunks) == ["a", "b", "c"]
    assert [p["group"] for p in pairs] == [TRAINED, TRAINED, HELD_OUT]


def test_a_question_never_stands_as_title_above_its_own_answer(tmp_path: Path) -> None:
    corpus, _ = drawn(tmp_path)
    assert corpus.texts[corpus.chunks["a"][0]] == "Dim the lights."
    assert corpus.texts[corpus.chunks["c"][0]] == "Rest\nRest a lot."


def test_no_more_is_drawn_than_asked_for(tmp_path: Path) -> None:
    _, pairs = drawn(tmp_path, questions=1, held_out=0)
    assert len(pairs) == 1


def test_a_question_gets_its_answer_and_what_recall_confuses_with_it() -> None:
    corpus = corpus_of("Dim the lights to sleep.", *WORDS)
    [found] = Miner(corpus, FakeEmbedder()).mine([pair("dim lights to sleep", "p0", "dim")])
    assert found["answers"] == [0]
    assert found["candidates"][0] == 0
    assert set(found["candidates"]) == {0, 1, 2, 3, 4}
    assert found["cosine"][0] == max(found["cosine"])
    assert len(found["lexical"]) == len(found["candidates"])


def test_a_passage_that_holds_the_answer_s_words_is_doubtful_not_wrong() -> None:
    corpus = corpus_of("Dim lights help sleep.", "Sleep: dim lights at night.", *WORDS)
    [found] = Miner(corpus, FakeEmbedder()).mine([pair("sleep", "p0", "dim lights")])
    assert found["doubtful"] == [1]


def test_a_twin_of_the_answer_is_doubtful() -> None:
    corpus = corpus_of("Dim the lights to sleep.", "Dim the lights to sleep.", *WORDS)
    [found] = Miner(corpus, FakeEmbedder()).mine([pair("lights sleep", "p0")])
    assert 1 in found["doubtful"]


def test_other_sections_of_the_same_subject_are_fair_negatives() -> None:
    corpus = corpus_of(*WORDS, groups=("g0",) * 4)
    [found] = Miner(corpus, FakeEmbedder()).mine([pair("sleep owls", "p0")])
    assert found["doubtful"] == []


def test_a_question_with_nothing_to_confuse_it_with_is_left_out() -> None:
    corpus = corpus_of("Dim the lights to sleep.", "Sleep well.")
    assert Miner(corpus, None).mine([pair("sleep", "p0")]) == []


def test_without_an_embedder_words_alone_are_searched() -> None:
    corpus = corpus_of("Dim the lights to sleep.", *WORDS, "Nothing in common.")
    [found] = Miner(corpus, None).mine([pair("dim lights to sleep", "p0")])
    assert found["cosine"] is None
    assert 5 not in found["candidates"]


def test_the_best_positive_scores_come_first() -> None:
    assert top(np.array([0.1, 0.0, 0.5, 0.3]), 3) == [2, 3, 0]
    assert top(np.array([0.0, 0.0]), 5) == []


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    corpus = corpus_of("Dim the lights to sleep.", *WORDS)
    mined = Miner(corpus, FakeEmbedder()).mine([pair("dim lights to sleep", "p0", "dim")])
    write(corpus, mined, tmp_path / "tiny.en.jsonl.gz")
    found = read_mined(tmp_path / "tiny.en.jsonl.gz")
    assert (found.name, found.language, found.texts) == ("tiny", "en", corpus.texts)
    [question] = found.training + found.held_out
    assert question.answers == {0}
    assert question.recalled == 5
