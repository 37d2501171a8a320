"""What a reader's habits may do to the order of sources, and above all what they may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qa import fit
from qa.fit import CAP, NO_HABITS, Evidence, Habits, Lesson, Offered, Topic, apply, lesson
from qa.types import Factors, FactorWeights, QuestionTerm, RankedCandidate, Ranking
from tests.unit.qa.builders import passage, question_terms

NEW_YEAR = date(2026, 1, 1)
UNIT = st.floats(0.0, 1.0, allow_nan=False)
EVIDENCE = st.builds(
    Evidence, openings=st.integers(0, 500), mean=st.floats(-1.0, 1.0, allow_nan=False)
)
WORDS = ("children", "fever", "diet", "sleep", "pain")
TOPIC = st.sampled_from(WORDS).flatmap(
    lambda word: st.builds(Topic, st.just(term(word)), st.just(word), st.integers(3, 500))
)
HABITS = st.builds(
    Habits,
    plain=EVIDENCE,
    recent=EVIDENCE,
    short=EVIDENCE,
    topics=st.lists(TOPIC, max_size=5).map(tuple),
)
ALWAYS = Evidence(openings=400, mean=1.0)
PLAIN_READER = Habits(plain=ALWAYS)


def term(word: str) -> str:
    """The word's token."""
    return question_terms(word)[0].token


def candidate(
    number: int,
    score: float,
    *,
    readability: float = 0.5,
    timeliness: float = 0.5,
    dated: bool = True,
    text: str = "Text.",
    above_floor: bool = True,
) -> RankedCandidate:
    return RankedCandidate(
        passage=passage(
            text, chunk_id=number, title="", effective_date=NEW_YEAR if dated else None
        ),
        rerank_score=1.0,
        rerank_rank=number,
        factors=Factors(0.5, 0.5, readability, timeliness),
        final_score=score,
        final_rank=number,
        above_floor=above_floor,
    )


def ranking_of(*candidates: RankedCandidate, reranked: bool = True) -> Ranking:
    """The candidates in the order that ``ranking.rank`` gives them."""
    ordered = sorted(candidates, key=lambda each: (not each.above_floor, -each.final_score))
    return Ranking(
        tuple(replace(each, final_rank=rank) for rank, each in enumerate(ordered, start=1)),
        FactorWeights(),
        0.15,
        reranked=reranked,
    )


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    size = draw(st.integers(1, 12))
    return ranking_of(
        *(
            candidate(
                number,
                draw(st.one_of(UNIT, st.sampled_from((0.5, 0.5 + CAP, 0.55)))),
                readability=draw(UNIT),
                timeliness=draw(UNIT),
                dated=draw(st.booleans()),
                text=" ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60))),
                above_floor=draw(st.booleans()),
            )
            for number in range(1, size + 1)
        )
    )


def places(ranking: Ranking) -> dict[int, int]:
    return {each.passage.chunk_id: each.final_rank for each in ranking.candidates}


class TestWhatItMayNotDo:
    @given(rankings(), HABITS)
    def test_a_lead_of_more_than_the_cap_is_never_lost(
        self, ranking: Ranking, habits: Habits
    ) -> None:
        place = places(apply(ranking, habits))
        above = [each for each in ranking.candidates if each.above_floor]
        for one in above:
            for other in above:
                if one.final_score - other.final_score > CAP:
                    assert place[one.passage.chunk_id] < place[other.passage.chunk_id]

    @given(rankings(), HABITS)
    def test_no_passage_is_lifted_over_the_relevance_floor(
        self, ranking: Ranking, habits: Habits
    ) -> None:
        fitted = apply(ranking, habits)
        flags = [each.above_floor for each in fitted.candidates]
        assert flags == sorted(flags, reverse=True)
        below = [each.passage.chunk_id for each in ranking.candidates if not each.above_floor]
        assert [e.passage.chunk_id for e in fitted.candidates if not e.above_floor] == below
        assert not any(each.fit_bonus for each in fitted.candidates if not each.above_floor)

    @given(rankings())
    def test_without_habits_the_ranking_is_the_same_object(self, ranking: Ranking) -> None:
        assert apply(ranking, NO_HABITS) is ranking

    @given(rankings(), HABITS)
    def test_where_the_reranker_did_not_run_the_fused_order_stands(
        self, ranking: Ranking, habits: Habits
    ) -> None:
        fused = replace(ranking, reranked=False)
        assert apply(fused, habits) is fused

    @given(rankings(), HABITS)
    def test_the_bonus_is_capped_and_never_a_malus(self, ranking: Ranking, habits: Habits) -> None:
        assert all(0.0 <= each.fit_bonus <= CAP for each in apply(ranking, habits).candidates)

    @given(rankings(), HABITS)
    def test_the_same_habits_give_the_same_order(self, ranking: Ranking, habits: Habits) -> None:
        assert apply(ranking, habits) == apply(ranking, habits)

    @given(rankings(), HABITS)
    def test_scores_factors_and_passages_stay_as_they_were(
        self, ranking: Ranking, habits: Habits
    ) -> None:
        before = {each.passage.chunk_id: each for each in ranking.candidates}
        fitted = apply(ranking, habits)
        assert len(fitted.candidates) == len(before)
        assert [each.final_rank for each in fitted.candidates] == list(range(1, len(before) + 1))
        for each in fitted.candidates:
            old = before[each.passage.chunk_id]
            assert (each.final_score, each.factors) == (old.final_score, old.factors)
            assert each.neutral_rank in {None, old.final_rank}

    @given(rankings(), HABITS)
    def test_the_neutral_order_can_be_had_back_from_what_is_kept(
        self, ranking: Ranking, habits: Habits
    ) -> None:
        fitted = apply(ranking, habits)
        back = sorted(fitted.candidates, key=lambda each: each.neutral_rank or each.final_rank)
        assert [e.passage.chunk_id for e in back] == [
            e.passage.chunk_id for e in ranking.candidates
        ]


class TestEvidence:
    @given(EVIDENCE)
    def test_a_habit_counts_for_no_more_than_its_evidence(self, evidence: Evidence) -> None:
        n = evidence.openings
        assert 0.0 <= fit.strength(evidence) <= n / (n + fit.SHRINKAGE)

    @pytest.mark.parametrize("openings", [0, 1])
    def test_a_first_opening_proves_nothing(self, openings: int) -> None:
        assert fit.strength(Evidence(openings, 1.0)) == 0.0

    @given(st.integers(2, 5), st.floats(-1.0, 1.0))
    def test_a_few_openings_are_shrunk_to_nearly_nothing(self, n: int, mean: float) -> None:
        assert CAP * fit.strength(Evidence(n, mean)) < 0.006

    @given(st.integers(1, 400), st.floats(-1.0, 1.0))
    def test_more_of_the_same_never_counts_for_less(self, n: int, mean: float) -> None:
        assert fit.strength(Evidence(n, mean)) <= fit.strength(Evidence(n + 1, mean))

    @given(st.integers(0, 1000), st.floats(-1.0, 0.0))
    def test_a_lean_against_a_habit_takes_nothing_away(self, n: int, mean: float) -> None:
        assert fit.strength(Evidence(n, mean)) == 0.0

    def test_a_long_and_clear_habit_counts_nearly_whole(self) -> None:
        assert 0.85 < fit.strength(ALWAYS) < 1.0

    @given(st.integers(1, 1000))
    def test_a_topic_counts_for_no_more_than_the_questions_about_it(self, n: int) -> None:
        assert fit.topic_strength(Topic("x", "x", n)) == n / (n + fit.SHRINKAGE)


class TestOrder:
    def test_of_two_nearly_equal_sources_the_fitting_one_comes_first_and_says_why(self) -> None:
        ranking = ranking_of(
            candidate(1, 0.61, readability=0.2), candidate(2, 0.60, readability=0.9)
        )
        first, second = apply(ranking, PLAIN_READER).candidates
        assert (first.passage.chunk_id, first.neutral_rank, first.final_rank) == (2, 2, 1)
        assert first.fit_reasons == ("plain",)
        assert (second.neutral_rank, second.fit_reasons) == (1, ())

    def test_the_bonus_can_be_computed_again_from_what_is_stored(self) -> None:
        ranking = ranking_of(candidate(1, 0.6, readability=0.4, text="Word. " * 30))
        habits = replace(PLAIN_READER, short=Evidence(30, 0.8))
        (only,) = apply(ranking, habits).candidates
        parts: list[dict[str, Any]] = only.fit_inputs["parts"]  # type: ignore[assignment]
        assert [part["habit"] for part in parts] == ["plain", "short"]
        total = sum(part["strength"] * part["value"] for part in parts)
        assert only.fit_inputs["cap"] == CAP
        assert only.fit_bonus == pytest.approx(CAP * min(1.0, total))

    def test_a_source_without_a_date_is_not_called_recent(self) -> None:
        dated = candidate(1, 0.60, timeliness=0.4)
        undated = candidate(2, 0.61, timeliness=1.0, dated=False)
        first, _second = apply(ranking_of(dated, undated), Habits(recent=ALWAYS)).candidates
        assert first.passage.chunk_id == 1
        assert first.fit_reasons == ("recent",)

    def test_a_topic_often_asked_lifts_a_source_about_it(self) -> None:
        children = Topic(term("children"), "children", 40)
        ranking = ranking_of(
            candidate(1, 0.61, text="Doses for adults."),
            candidate(2, 0.60, text="Doses for children."),
        )
        first = apply(ranking, Habits(topics=(children,)), question_terms("fever dose"))
        assert first.candidates[0].fit_reasons == ("topic:children",)
        assert first.candidates[0].passage.chunk_id == 2

    def test_a_topic_that_the_question_names_itself_lifts_nothing(self) -> None:
        children = Topic(term("children"), "children", 40)
        ranking = ranking_of(
            candidate(1, 0.61, text="Adults."), candidate(2, 0.60, text="Children.")
        )
        asked = question_terms("What about children?")
        assert apply(ranking, Habits(topics=(children,)), asked) is ranking

    @given(rankings(), HABITS)
    def test_exactly_the_sources_that_moved_up_say_why(
        self, ranking: Ranking, habits: Habits
    ) -> None:
        for each in apply(ranking, habits).candidates:
            moved_up = each.final_rank < (each.neutral_rank or each.final_rank)
            assert bool(each.fit_reasons) is moved_up

    def test_what_all_sources_share_is_no_reason(self) -> None:
        habits = Habits(plain=Evidence(20, 0.6), recent=Evidence(50, 0.9))
        ranking = ranking_of(
            candidate(1, 0.61, readability=0.9, timeliness=0.1),
            candidate(2, 0.60, readability=0.9, timeliness=0.9),
        )
        assert apply(ranking, habits).candidates[0].fit_reasons == ("recent",)

    @given(rankings(), HABITS)
    def test_forgetting_leaves_the_order_and_nothing_learned(
        self, ranking: Ranking, habits: Habits
    ) -> None:
        fitted = apply(ranking, habits)
        bare = fit.forgotten(fitted)
        assert places(bare) == places(fitted)
        assert not any(e.fit_bonus or e.fit_reasons or e.fit_inputs for e in bare.candidates)


OFFERED = st.builds(
    Offered,
    readability=UNIT,
    effective_date=st.none() | st.dates(date(2000, 1, 1), date(2026, 1, 1)),
    tokens=st.integers(0, 300),
)


class TestLessons:
    def test_the_first_source_of_a_list_teaches_nothing(self) -> None:
        assert lesson(Offered(0.9, NEW_YEAR, 40), []) == Lesson()

    def test_what_was_opened_is_compared_with_what_was_passed_over(self) -> None:
        opened = Offered(0.9, NEW_YEAR, 40)
        harder = Offered(0.3, NEW_YEAR - timedelta(days=900), 160)
        assert lesson(opened, [harder]) == Lesson(plain=1.0, recent=1.0, short=1.0)
        assert lesson(harder, [opened]) == Lesson(plain=-1.0, recent=-1.0, short=-1.0)

    def test_sources_that_are_alike_teach_nothing(self) -> None:
        opened = Offered(0.50, NEW_YEAR, 100)
        alike = Offered(0.52, NEW_YEAR - timedelta(days=3), 110)
        assert lesson(opened, [alike]) == Lesson()

    def test_an_unknown_date_is_not_compared(self) -> None:
        assert lesson(Offered(0.5, None, 10), [Offered(0.5, NEW_YEAR, 10)]).recent is None

    def test_against_several_the_lean_is_their_mean(self) -> None:
        others = [Offered(0.1, None, 10), Offered(0.2, None, 10), Offered(0.9, None, 10)]
        assert lesson(Offered(0.5, None, 10), others).plain == pytest.approx(1 / 3)

    @given(OFFERED, st.lists(OFFERED, max_size=8))
    def test_a_lesson_is_between_minus_one_and_one(
        self, opened: Offered, others: list[Offered]
    ) -> None:
        learned = lesson(opened, others)
        for lean in (learned.plain, learned.recent, learned.short):
            assert lean is None or -1.0 <= lean <= 1.0

    @given(OFFERED, OFFERED)
    def test_opening_either_of_two_teaches_the_opposite(self, one: Offered, two: Offered) -> None:
        there, back = lesson(one, [two]), lesson(two, [one])
        for name in fit.HABITS:
            lean, opposite = getattr(there, name), getattr(back, name)
            assert lean is None if opposite is None else lean == -opposite


class TestTopics:
    def test_a_word_in_a_tenth_of_the_questions_and_three_at_least_is_a_topic(self) -> None:
        asked = [question_terms("fever in children")] * 3 + [question_terms("back pain")] * 2
        surfaces = {topic.surface: topic.questions for topic in fit.topics_of(asked)}
        assert surfaces == {"fever": 3, "children": 3}
        assert fit.topics_of(asked + [question_terms("diet")] * 40) == (
            Topic(term("diet"), "diet", 40),
        )

    def test_a_word_that_stands_in_every_document_is_none(self) -> None:
        common = [QuestionTerm("sleep", "sleep", 0.2)]
        assert fit.topics_of([common] * 10) == ()

    def test_chinese_topics_are_words_rather_than_overlapping_pairs(self) -> None:
        surfaces = {t.surface for t in fit.topics_of([question_terms("儿童发烧")] * 4)}
        assert surfaces == {"儿童", "发烧"}

    @given(st.lists(st.lists(st.sampled_from(WORDS), max_size=4), max_size=40))
    def test_no_more_topics_than_are_kept_and_each_often_enough(
        self, questions: list[list[str]]
    ) -> None:
        assume(questions)
        asked = [question_terms(" ".join(words)) for words in questions]
        topics = fit.topics_of(asked)
        assert len(topics) <= fit.TOPICS
        for topic in topics:
            assert topic.questions >= fit.TOPIC_QUESTIONS
            assert topic.questions >= fit.TOPIC_SHARE * len(questions)
