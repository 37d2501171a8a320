from __future__ import annotations

import numpy as np
import pytest

from inference.errors import ModelTimeout
from inference.fake import NOTHING_TO_QUOTE, FakeChatModel, FakeEmbedder, FakeReranker
from inference.ports import ChatMessage


def test_texts_with_words_in_common_are_nearer_than_texts_without() -> None:
    question, near, far = (
        FakeEmbedder().embed_query(text)
        for text in ("better sleep", "tips for better sleep", "diabetes and fruit")
    )
    assert question @ near > 0.5 > question @ far


def test_chinese_texts_are_compared_by_their_characters() -> None:
    question, near, far = (
        FakeEmbedder().embed_query(text) for text in ("睡得更好", "怎样睡得更好", "糖尿病")
    )
    assert question @ near > 0.5 > question @ far


def test_vectors_are_unit_vectors_of_the_recipe_s_dimension_even_for_no_words() -> None:
    embedder = FakeEmbedder()
    vectors = embedder.embed_passages(["", "sleep", "?!"])
    assert vectors.shape == (3, embedder.recipe.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)


def test_no_texts_give_an_empty_matrix_of_the_right_width() -> None:
    assert FakeEmbedder().embed_passages([]).shape == (0, 384)


def test_a_vector_does_not_depend_on_the_object_that_made_it() -> None:
    np.testing.assert_array_equal(
        FakeEmbedder().embed_query("sleep"), FakeEmbedder().embed_query("sleep")
    )


def test_a_passage_scores_the_share_of_the_question_s_words_in_it() -> None:
    scores = FakeReranker().score(
        "How to sleep", ["Sleep how you like", "nothing of it", "how to sleep"], time_limit_s=1
    )
    assert scores == [pytest.approx(2 / 3), 0.0, 1.0]


def test_a_reranker_without_time_says_so() -> None:
    with pytest.raises(ModelTimeout):
        FakeReranker().score("a", ["b"], time_limit_s=0)


def answer_to(prompt: str, *, max_tokens: int = 100) -> list[str]:
    messages = [ChatMessage("system", "Answer from [1]."), ChatMessage("user", prompt)]
    return list(FakeChatModel().stream(messages, max_tokens=max_tokens, time_limit_s=1))


def test_the_answer_quotes_the_first_sentence_of_passage_1_with_its_marker() -> None:
    pieces = answer_to("[1] Sleep > Habits\nDim the lights. Then rest.\n\n[2] Other\nNo.\n\nHow?")
    assert "".join(pieces) == "Dim the lights. [1]"
    assert len(pieces) > 1


def test_a_chinese_sentence_is_quoted_to_its_full_stop() -> None:
    assert "".join(answer_to("[1] 睡眠\n睡前不要喝咖啡。早点睡。")) == "睡前不要喝咖啡。 [1]"


def test_a_passage_of_one_line_is_quoted_itself() -> None:
    assert "".join(answer_to("[1] Dim the lights. Rest.")) == "Dim the lights. [1]"


def test_a_quotation_ends_with_its_source() -> None:
    prompt = "<source>\n[1] Sleep\nDim the lights\n</source>\nHow?"
    assert "".join(answer_to(prompt)) == "Dim the lights [1]"


def test_without_passages_it_says_that_there_are_none() -> None:
    assert "".join(answer_to("How can I sleep?")) == NOTHING_TO_QUOTE


def test_an_answer_ends_at_the_token_limit() -> None:
    assert answer_to("[1] One two three four.", max_tokens=2) == ["One ", "two "]


def test_a_chat_model_without_time_says_so() -> None:
    with pytest.raises(ModelTimeout):
        list(FakeChatModel().stream([], max_tokens=1, time_limit_s=0))
