"""The chat: conversations, asking, and what an answer's buttons do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect

from documents.access import knowledge_bases_for, may_create_knowledge_base
from qa import chat
from qa.configuration import wishes_of
from qa.forms import AskForm, RenameForm, WishesForm
from qa.presentation import present_answer, present_conversation
from qa.presented import TurnView
from qa.views.links import source_href

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import QueryDict

    from accounts.http import AuthenticatedRequest
    from accounts.models import User
    from documents.models import KnowledgeBase
    from qa.models import Answer, Conversation

SIDEBAR_LENGTH = 60
MAX_SUGGESTIONS = 6


@login_required
@require_GET
def home(request: AuthenticatedRequest) -> HttpResponse:
    """An empty conversation: what may be asked, with example questions."""
    return _chat_page(request, None)


@login_required
@require_GET
def conversation(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """One conversation with all its answers."""
    return _chat_page(request, chat.conversation_for(request.user, pk))


@login_required
@require_POST
def ask(request: AuthenticatedRequest, pk: int | None = None) -> HttpResponse:
    """Ask; the answer is made by a worker while the page already shows the question."""
    current = chat.conversation_for(request.user, pk) if pk is not None else None
    form = AskForm(_with_suggestion(request), viewer=request.user)
    if not form.is_valid():
        return _refused(request, current, form, next(iter(form.errors.values()))[0])
    try:
        answer = chat.ask(
            actor=request.user,
            conversation=current,
            knowledge_bases=list(form.cleaned_data["knowledge_bases"]),
            text=form.cleaned_data["text"],
            with_rerank=form.cleaned_data["with_rerank"],
            is_personal=True,
        )
    except chat.QuestionRefused as refusal:
        return _refused(request, current, form, str(refusal))
    if current is None or not request.htmx:
        return _to_answer(request, answer)
    view = present_answer(request.user, answer, source_href=source_href, personal=True)
    return render(request, "qa/_turns.html", {"turns": [TurnView(answer.question, (view,))]})


@login_required
@require_GET
def answer(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """One answer: a part for htmx, else its place in the conversation."""
    row = chat.own_answer_for(request.user, pk)
    if not request.htmx:
        return redirect(_address(row))
    return _answer_part(request, row)


@login_required
@require_POST
def stop(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Stop an answer; what has come stays."""
    row = chat.own_answer_for(request.user, pk)
    chat.stop(request.user, row)
    if request.htmx:
        # The stream ends the answer on the page; only the button's state is answered here.
        return HttpResponse(_("Stopping…"))
    return redirect(_address(row))


@login_required
@require_POST
def regenerate(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Answer the same question once more, perhaps ranked otherwise."""
    row = chat.own_answer_for(request.user, pk)
    form = WishesForm(request.POST)
    wishes = form.wishes(wishes_of(row.configuration)) if form.is_valid() else None
    return _again(request, row, partial(chat.regenerate, wishes=wishes))


@login_required
@require_POST
def twin(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Answer the same question without rerank, to compare."""
    row = chat.own_answer_for(request.user, pk)
    return _again(request, row, chat.answer_twin)


@login_required
@require_POST
def rename(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Give a conversation another title."""
    current = chat.conversation_for(request.user, pk)
    form = RenameForm(request.POST)
    if form.is_valid():
        chat.rename_conversation(request.user, current, form.cleaned_data["title"])
    else:
        messages.error(request, _("A title needs at least one character."))
    return redirect("qa:conversation", pk=pk)


@login_required
@require_POST
def delete(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Take a conversation away, and offer to bring it back."""
    current = chat.conversation_for(request.user, pk)
    chat.delete_conversation(request.user, current)
    return redirect("qa:deleted", pk=pk)


@login_required
@require_GET
def deleted(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """What was deleted a moment ago, with the way back."""
    current = chat.conversation_for(request.user, pk, deleted=True)
    return render(request, "qa/deleted.html", {"deleted": current})


@login_required
@require_POST
def restore(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Bring a deleted conversation back."""
    current = chat.conversation_for(request.user, pk, deleted=True)
    chat.restore_conversation(request.user, current)
    return redirect("qa:conversation", pk=pk)


@login_required
@require_GET
def workers(request: AuthenticatedRequest) -> HttpResponse:
    """Whether answers can be made now: a part that asks again until they can."""
    return render(request, "qa/_workers.html")


def _chat_page(
    request: AuthenticatedRequest,
    current: Conversation | None,
    form: AskForm | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    form = form or AskForm(initial=_first_choice(request, current), viewer=request.user)
    askable = list(knowledge_bases_for(request.user).order_by("name", "pk"))
    turns = present_conversation(request.user, current, source_href=source_href) if current else []
    context = {
        "form": form,
        "askable": askable,
        "chosen": _chosen(form),
        "turns": turns,
        "is_waiting": any(not answer.is_final for turn in turns for answer in turn.answers),
        "may_create": may_create_knowledge_base(request.user),
        "suggestions": [] if current else _suggestions(askable),
        **_sidebar(request, current),
    }
    return render(request, "qa/chat.html", context, status=status)


def _sidebar(request: AuthenticatedRequest, current: Conversation | None) -> dict[str, object]:
    conversations = chat.conversations_of(request.user)[:SIDEBAR_LENGTH]
    return {"conversations": conversations, "conversation": current}


def _first_choice(request: AuthenticatedRequest, current: Conversation | None) -> dict[str, object]:
    """The knowledge bases ticked at first: the conversation's, the one that ``?kb=`` names, those
    asked last, or else the first."""
    latest = current or chat.conversations_of(request.user).first()
    visible = knowledge_bases_for(request.user).order_by("name", "pk")
    chosen = list(visible.filter(slug=request.GET["kb"])) if "kb" in request.GET else []
    if latest and not chosen:
        chosen = list(visible.filter(pk__in=latest.knowledge_bases.all()))
    return {"with_rerank": True, "knowledge_bases": chosen or list(visible[:1])}


def _chosen(form: AskForm) -> set[int]:
    if form.is_bound:
        return {int(pk) for pk in form.data.getlist("knowledge_bases") if pk.isdecimal()}  # type: ignore[attr-defined]
    return {base.pk for base in form.initial.get("knowledge_bases", ())}


def _with_suggestion(request: AuthenticatedRequest) -> QueryDict:
    """The form's data; a click on an example question sends that question."""
    data: QueryDict = request.POST.copy()
    if suggestion := data.get("suggestion"):
        data["text"] = suggestion
    return data


def _suggestions(askable: list[KnowledgeBase]) -> list[str]:
    found = [question for base in askable for question in base.suggested_questions]
    return list(dict.fromkeys(found))[:MAX_SUGGESTIONS]


def _refused(
    request: AuthenticatedRequest, current: Conversation | None, form: AskForm, sentence: object
) -> HttpResponse:
    if request.htmx:
        return _refusal_part(request, sentence)
    messages.error(request, str(sentence))
    return _chat_page(request, current, form, status=422)


def _refusal_part(request: AuthenticatedRequest, sentence: object) -> HttpResponse:
    response = render(request, "qa/_refusal.html", {"sentence": sentence}, status=422)
    response["HX-Retarget"] = "#messages"
    response["HX-Reswap"] = "innerHTML"
    return response


def _again(
    request: AuthenticatedRequest, row: Answer, answer_again: Callable[[User, Answer], Answer]
) -> HttpResponse:
    asked_at = timezone.now()
    try:
        new = answer_again(request.user, row)
    except chat.QuestionRefused as refusal:
        if request.htmx:
            return _refusal_part(request, str(refusal))
        messages.error(request, str(refusal))
        return redirect(_address(row))
    if request.htmx and new.created_at < asked_at:
        # The twin stands on the page already; a second copy of it would share its ids.
        return HttpResponseClientRedirect(_address(new))
    if request.htmx:
        return _answer_part(request, new)
    return redirect(_address(new))


def _answer_part(request: AuthenticatedRequest, row: Answer) -> HttpResponse:
    view = present_answer(request.user, row, source_href=source_href, personal=True)
    return render(request, "qa/_answer.html", {"answer": view})


def _to_answer(request: AuthenticatedRequest, row: Answer) -> HttpResponse:
    address = _address(row)
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _address(row: Answer) -> str:
    page = reverse("qa:conversation", args=[row.question.conversation_id])
    return f"{page}#answer-{row.pk}"
