"""The review pages: a queue of answers, and verdicts on answers, citations and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from qa import review
from qa.forms import AnswerJudgementForm, ReviewFilterForm
from qa.models import AnswerJudgement, Citation, SourceJudgement
from qa.presentation import present_answer
from qa.views.links import source_href

if TYPE_CHECKING:
    from accounts.http import AuthenticatedRequest
    from qa.models import Answer


@login_required
@require_GET
def answers(request: AuthenticatedRequest) -> HttpResponse:
    """The queue: answers the viewer may review, newest first, filtered by verdict and base."""
    if not review.reviewed_bases(request.user):
        raise Http404
    form = ReviewFilterForm(request.GET, viewer=request.user)
    chosen = form.cleaned_data if form.is_valid() else {}
    page = review.queue(
        request.user,
        verdict=chosen.get("verdict", ""),
        knowledge_base=chosen.get("knowledge_base"),
        page=request.GET.get("page", "1"),
    )
    labels = dict(AnswerJudgement.Verdict.choices)
    rows = [(row, labels.get(row.latest_verdict)) for row in page]  # type: ignore[attr-defined]
    query = request.GET.copy()
    query.pop("page", None)
    context = {"form": form, "page": page, "rows": rows, "query": query.urlencode()}
    return render(request, "qa/review_list.html", context)


@login_required
@require_GET
def detail(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """One answer with its cited passages and rankings, and the verdicts to give."""
    answer = review.reviewable_answer_for(request.user, pk)
    return _detail_page(request, answer)


@login_required
@require_POST
def judge_answer(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Append a verdict on the whole answer."""
    answer = review.reviewable_answer_for(request.user, pk)
    form = AnswerJudgementForm(request.POST)
    if not form.is_valid():
        return _detail_page(request, answer, form, status=422)
    review.judge_answer(
        request.user, answer, form.cleaned_data["verdict"], form.cleaned_data["comment"]
    )
    messages.success(request, _("Your verdict is saved."))
    return redirect("qa:review_answer", pk=pk)


@login_required
@require_POST
def withdraw_answer(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Take the viewer's verdict on the answer back."""
    answer = review.reviewable_answer_for(request.user, pk)
    if review.withdraw_answer_judgement(request.user, answer):
        messages.info(request, _("Your verdict is taken back."))
    return redirect("qa:review_answer", pk=pk)


@login_required
@require_POST
def keep(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Keep the question with its graded sources as a test case."""
    answer = review.reviewable_answer_for(request.user, pk)
    try:
        review.save_as_evaluation_question(request.user, answer)
    except review.ReviewRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Kept as a test question of the knowledge base."))
    return redirect("qa:review_answer", pk=pk)


@login_required
@require_POST
def judge_citation(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Say whether a cited passage supports its sentence; the same verdict again takes it back."""
    citation = review.citation_for(request.user, pk)
    verdict = request.POST.get("verdict", "")
    standing = review.judgements_by(request.user, citation.answer).citations.get(citation.pk)
    try:
        if verdict == standing:
            review.withdraw_citation_judgement(request.user, citation)
        else:
            review.judge_citation(request.user, citation, verdict)
    except review.ReviewRefused as refusal:
        messages.error(request, str(refusal))
    return _back(request, citation.answer, f"citation-{citation.pk}")


@login_required
@require_POST
def judge_source(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Grade a passage from 0 to 3; the same grade again takes it back."""
    passage = review.passage_for(request.user, pk)
    given = request.POST.get("grade", "")
    grade = int(given) if given.isdecimal() else -1
    standing = review.judgements_by(request.user, passage.answer).grades.get(passage.pk)
    try:
        if grade == standing:
            review.withdraw_source_judgement(request.user, passage)
        else:
            review.judge_source(request.user, passage, grade)
    except review.ReviewRefused as refusal:
        messages.error(request, str(refusal))
    return _back(request, passage.answer, f"passage-{passage.pk}")


def _detail_page(
    request: AuthenticatedRequest,
    answer: Answer,
    form: AnswerJudgementForm | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    mine = review.judgements_by(request.user, answer)
    form = form or AnswerJudgementForm(initial={"verdict": mine.verdict, "comment": mine.comment})
    view = present_answer(request.user, answer, source_href=source_href)
    history = AnswerJudgement.objects.filter(answer=answer).select_related("judged_by")
    context = {
        "row": answer,
        "answer": view,
        "form": form,
        "mine": mine,
        "history": history.order_by("-pk")[:20],
        "verdicts": Citation.Verdict.choices,
        "grades": SourceJudgement.Grade.choices,
        "read_only": True,
        "open_rankings": False,
    }
    return render(request, "qa/review_detail.html", context, status=status)


def _back(request: AuthenticatedRequest, answer: Answer, anchor: str) -> HttpResponse:
    """The whole page again for htmx (it takes the part it asked for), else its place on it."""
    if request.htmx:
        return _detail_page(request, answer)
    response = redirect("qa:review_answer", pk=answer.pk)
    response["Location"] += f"#{anchor}"
    return response
