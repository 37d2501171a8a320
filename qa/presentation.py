"""What a page may show of an answer to this viewer now. Copies obey the originals.

An answer keeps passages as they were. A page shows them only where the viewer may read the
document today; of any other it says that there is a source which the viewer may not open, and
nothing else. Sentences that rest on such a source are withheld, and that is said.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString, mark_safe

from documents.models import Document
from documents.querysets import DocumentQuerySet
from qa.explanations import (
    error_sentence,
    factor_bars,
    fit_words,
    moved_up_words,
    preset_view,
    reason_sentences,
    time_note,
    timings_in_order,
    weights_of,
)
from qa.habits import has_consented, shows_fit
from qa.models import Answer, Citation, RankedPassage
from qa.movements import compare_orders
from qa.presented import (
    AnswerView,
    CitationView,
    FitView,
    OrderView,
    Rankings,
    SourceView,
    TurnView,
)
from qa.rendering import render_answer
from qa.withholding import CitedStatement, ShownText, withhold

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from accounts.models import User
    from qa.models import Conversation, Question

LISTED = 10
"""Passages shown of each ranking."""
NEAREST = 3
"""Passages shown when nothing answers the question."""

SourceHref = Callable[[RankedPassage, int, int], str]


def present_answer(
    viewer: User,
    answer: Answer,
    *,
    source_href: SourceHref | None = None,
    personal: bool = False,
) -> AnswerView:
    """What ``viewer`` may see of ``answer`` now. Whether they may see it at all is asked before.

    The order is the neutral one, unless a page of the asker's own asks for theirs by ``personal``.

    ``source_href(passage, start, end)`` gives the address of a passage's document with the
    characters ``start`` to ``end`` of its text marked; by default citations link to the list of
    sources on the same page, ``#source-<answer id>-<number>``.
    """
    return present_answers(viewer, [answer], source_href=source_href, personal=personal)[0]


def present_answers(
    viewer: User,
    answers: Sequence[Answer],
    *,
    source_href: SourceHref | None = None,
    personal: bool = False,
) -> list[AnswerView]:
    """``present_answer`` of several, in their order, with one query each for all of them."""
    pks = [answer.pk for answer in answers]
    passages: dict[int, list[RankedPassage]] = defaultdict(list)
    for passage in RankedPassage.objects.filter(answer__in=pks).order_by("final_rank"):
        passages[passage.answer_id].append(passage)
    citations: dict[int, list[Citation]] = defaultdict(list)
    # One without a sentence belongs to an answer whose text is erased.
    cited = Citation.objects.filter(answer__in=pks).exclude(sentence="")
    for citation in cited.order_by("sentence_index", "marker"):
        citations[citation.answer_id].append(citation)
    readable = readable_documents(viewer, [p for rows in passages.values() for p in rows])
    own = _own_answers(viewer, answers) if personal else frozenset()
    learns = personal and has_consented(viewer)
    return [
        _AnswerPresenter(
            answer,
            passages[answer.pk],
            citations[answer.pk],
            readable,
            source_href,
            is_personal=answer.pk in own,
            learns=learns and answer.pk in own,
        ).present()
        for answer in answers
    ]


def present_conversation(
    viewer: User,
    conversation: Conversation,
    *,
    question: Question | None = None,
    source_href: SourceHref | None = None,
) -> list[TurnView]:
    """The questions of the viewer's own conversation as asked, each with its answers.

    With ``question`` that one alone.
    """
    asked = conversation.questions.order_by("asked_at", "pk")
    questions = list(asked.filter(pk=question.pk) if question is not None else asked)
    answers = list(
        Answer.objects.filter(question__in=questions)
        .select_related("question")
        .order_by("created_at", "pk")
    )
    views: dict[int, list[AnswerView]] = defaultdict(list)
    for view in present_answers(viewer, answers, source_href=source_href, personal=True):
        views[view.question_id].append(view)
    return [TurnView(question, tuple(views[question.pk])) for question in questions]


def may_follow_stream(viewer: User, answer: Answer) -> bool:
    """Whether unfinished text may be relayed: the viewer may read every source handed over.

    The stream holds tokens, not sentences with citations, so nothing can be withheld from it.
    """
    sources = list(RankedPassage.objects.filter(answer=answer, is_source=True))
    readable = readable_documents(viewer, sources)
    return all(passage.document_id in readable for passage in sources)


def readable_documents(
    viewer: User, passages: Sequence[RankedPassage]
) -> Mapping[int, tuple[str, ...]]:
    """Ids of the passages' documents that the viewer may read now -> their tags."""
    wanted = {passage.document_id for passage in passages if passage.document_id is not None}
    if not wanted:
        return {}
    documents = DocumentQuerySet(Document).visible_to(viewer).filter(pk__in=wanted)
    return {pk: tuple(tags) for pk, tags in documents.values_list("pk", "tags")}


def _own_answers(viewer: User, answers: Sequence[Answer]) -> Collection[int]:
    """Ids of the answers that were asked by the viewer, in the chat."""
    asked = Answer.objects.filter(
        pk__in=[answer.pk for answer in answers if answer.is_personal],
        question__conversation__user=viewer,
    )
    return frozenset(asked.values_list("pk", flat=True))


class _AnswerPresenter:
    """Builds the view of one answer from rows that are already loaded."""

    def __init__(
        self,
        answer: Answer,
        passages: Sequence[RankedPassage],
        citations: Sequence[Citation],
        readable: Mapping[int, tuple[str, ...]],
        source_href: SourceHref | None,
        *,
        is_personal: bool,
        learns: bool,
    ) -> None:
        self.answer = answer
        self.has_fit = is_personal and any(passage.personal_fit > 0 for passage in passages)
        self.shows_fit = is_personal and shows_fit(answer, passages)
        self.learns = learns
        neutral = sorted(passages, key=lambda p: p.neutral_rank)
        self.passages = passages if self.shows_fit else neutral
        self.by_pk = {passage.pk: passage for passage in passages}
        self.citations = citations
        self.readable = readable
        self.source_href = source_href
        self.weights = weights_of(answer.configuration)
        sources = [passage for passage in passages if passage.is_source]
        self.numbers = {passage.pk: number for number, passage in enumerate(sources, start=1)}
        configured = int(answer.configuration.get("sources") or 5)
        self.comparison = compare_orders(
            [passage.pk for passage in sorted(passages, key=lambda p: p.fused_rank)],
            [passage.pk for passage in neutral],
            top=len(sources) or configured,
        )

    def present(self) -> AnswerView:
        answer = self.answer
        views = {passage.pk: self.source_view(passage) for passage in self.passages}
        final = [views[passage.pk] for passage in self.passages]
        fused = sorted(final, key=lambda view: view.fused_rank)
        sources = tuple(view for view in final if view.number is not None)
        shown = self.shown_text()
        nearest = [view for view in final if view.is_open][:NEAREST] if answer.no_evidence else []
        return AnswerView(
            answer_id=answer.pk,
            question_id=answer.question_id,
            question=answer.question.text,
            state=answer.state,
            state_label=answer.get_state_display(),
            is_final=answer.is_final,
            kind=answer.kind,
            with_rerank=answer.with_rerank,
            html=self.html_of(shown),
            text=shown.text,
            withheld_sentences=shown.withheld,
            closed_sources=sum(1 for view in sources if not view.is_open),
            no_evidence=answer.no_evidence,
            sources=sources,
            nearest=tuple(nearest),
            rankings=Rankings(
                with_rerank=tuple(final[:LISTED]),
                without_rerank=tuple(fused[:LISTED]),
                changed=self.comparison.changed,
                moved=self.comparison.moved,
                top=self.comparison.top,
                was_reranked=answer.was_reranked,
            ),
            timings=timings_in_order(answer.timings_ms),
            reasons=reason_sentences(answer.reasons),
            error=error_sentence(answer.error_code),
            generator=answer.generator,
            is_extractive=answer.generator == "extractive",
            reranker=answer.reranker,
            reranker_revision=answer.reranker_revision,
            embedding_model=answer.embedding_model,
            order=self.order_of(sources),
            learns=self.learns,
            time_note=time_note(answer.configuration) if answer.was_reranked else None,
            preset=preset_view(answer.configuration) if answer.was_reranked else None,
        )

    def order_of(self, sources: Sequence[SourceView]) -> OrderView | None:
        if not self.has_fit:
            return None
        moved = sum(1 for view in sources if view.fit is not None and view.fit.moved_up)
        return OrderView(is_neutral=not self.shows_fit, moved=moved)

    def is_open(self, passage: RankedPassage) -> bool:
        return passage.document_id in self.readable

    def shown_text(self) -> ShownText:
        """The answer's text without what rests on closed documents."""
        return withhold(
            self.answer.text,
            [
                CitedStatement(
                    citation.sentence_index,
                    citation.sentence,
                    citation.marker,
                    is_open=self.is_open(self.by_pk[citation.passage_id]),
                )
                for citation in self.citations
            ],
            anything_closed=not all(self.is_open(self.by_pk[pk]) for pk in self.numbers),
        )

    def html_of(self, shown: ShownText) -> SafeString:
        """The shown text as HTML, each marker linked to the place that its sentence rests on."""
        spans = {(c.sentence_index, c.marker): self.citation_href(c) for c in self.citations}
        by_number = {
            number: self.passage_href(self.by_pk[pk])
            for pk, number in self.numbers.items()
            if self.is_open(self.by_pk[pk])
        }
        waiting: dict[int, deque[str | None]] = defaultdict(deque)
        for marker in shown.markers:
            href = spans.get((marker.sentence_index, marker.number))
            waiting[marker.number].append(href or by_number.get(marker.number))

        def next_href(number: int) -> str | None:
            queue = waiting[number]
            return queue.popleft() if queue else by_number.get(number)

        # render_answer sanitises all that it returns.
        return mark_safe(render_answer(shown.text, next_href))  # noqa: S308

    def citation_href(self, citation: Citation) -> str:
        passage = self.by_pk[citation.passage_id]
        start, end = passage.start + citation.start, passage.start + citation.end
        return self.href(passage, start, end)

    def passage_href(self, passage: RankedPassage) -> str:
        return self.href(passage, passage.start, passage.end)

    def href(self, passage: RankedPassage, start: int, end: int) -> str:
        if self.source_href is None:
            return f"#source-{self.answer.pk}-{self.numbers.get(passage.pk, 0)}"
        return self.source_href(passage, start, end)

    def citation_view(self, citation: Citation) -> CitationView:
        passage = self.by_pk[citation.passage_id]
        start, end = passage.start + citation.start, passage.start + citation.end
        return CitationView(
            citation_id=citation.pk,
            marker=citation.marker,
            sentence=citation.sentence,
            quote=passage.text[citation.start : citation.end],
            start=start,
            end=end,
            support=citation.support,
            verdict=citation.verdict,
            href=self.citation_href(citation),
        )

    def source_view(self, passage: RankedPassage) -> SourceView:
        number = self.numbers.get(passage.pk)
        movement = self.comparison.movements[passage.pk]
        if not self.is_open(passage):
            return SourceView(
                passage_id=passage.pk,
                is_open=False,
                number=number,
                final_rank=self.rank_of(passage),
                fused_rank=passage.fused_rank,
                movement=movement,
            )
        return SourceView(
            passage_id=passage.pk,
            is_open=True,
            number=number,
            final_rank=self.rank_of(passage),
            fused_rank=passage.fused_rank,
            movement=movement,
            title=passage.title,
            tags=self.readable.get(passage.document_id or 0, ()),
            heading_path=tuple(passage.heading_path),
            text=passage.text,
            page=passage.page,
            document_id=passage.document_id,
            chunk_id=passage.chunk_id,
            start=passage.start,
            end=passage.end,
            language=passage.language,
            effective_date=passage.effective_date,
            href=self.passage_href(passage),
            above_floor=passage.above_floor,
            dense_rank=passage.dense_rank,
            lexical_rank=passage.lexical_rank,
            rerank_rank=passage.rerank_rank,
            cosine=passage.cosine,
            lexical_score=passage.lexical_score,
            fused_score=passage.fused_score,
            rerank_score=passage.rerank_score,
            final_score=passage.final_score,
            factors=factor_bars(passage, self.weights),
            citations=tuple(
                self.citation_view(c) for c in self.citations if c.passage_id == passage.pk
            ),
            fit=self.fit_view(passage),
        )

    def rank_of(self, passage: RankedPassage) -> int:
        return passage.final_rank if self.shows_fit else passage.neutral_rank

    def fit_view(self, passage: RankedPassage) -> FitView | None:
        if not self.shows_fit:
            return None
        moved_up = passage.final_rank < passage.neutral_rank
        return FitView(
            neutral_rank=passage.neutral_rank,
            bonus=passage.personal_fit,
            moved_up=moved_up_words(passage.fit_reasons) if moved_up else "",
            words=fit_words(passage.fit_inputs),
        )
