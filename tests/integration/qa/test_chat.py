"""Asking, stopping and keeping conversations, and who may do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.http import Http404
from kombu.exceptions import OperationalError

from accounts.models import AuditEvent
from documents.models import KnowledgeBase, Membership
from qa import chat
from qa.chat import QuestionRefused
from qa.models import Answer, Conversation, Question
from qa.tasks import generate_answer
from tests.integration.qa.conftest import QUESTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

    from accounts.models import User
    from tests.integration.qa.conftest import Ask

pytestmark = pytest.mark.django_db


def ask_in(base: KnowledgeBase, actor: User, text: str = QUESTION) -> Answer:
    return chat.ask(actor=actor, conversation=None, knowledge_bases=[base], text=text)


# ---- asking --------------------------------------------------------------------------------------
def test_a_first_question_begins_a_conversation_titled_after_it(
    knowledge_base: KnowledgeBase, bob: User
) -> None:
    answer = ask_in(knowledge_base, bob, "  How can I\n sleep better? ")
    conversation = answer.question.conversation
    assert conversation.user == bob
    assert conversation.title == "How can I sleep better?"
    assert list(conversation.knowledge_bases.all()) == [knowledge_base]
    assert answer.question.text == "How can I\n sleep better?"
    assert answer.state == Answer.State.PENDING


@pytest.mark.parametrize(("enqueue", "told"), [(True, 1), (False, 0)])
def test_a_worker_is_told_unless_the_caller_makes_the_answer_itself(
    knowledge_base: KnowledgeBase,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    enqueue: bool,
    told: int,
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(generate_answer, "apply_async", lambda *args, **kwargs: calls.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        chat.ask(
            actor=bob,
            conversation=None,
            knowledge_bases=[knowledge_base],
            text=QUESTION,
            enqueue=enqueue,
        )
    assert len(calls) == told


def test_a_long_question_makes_a_short_title(knowledge_base: KnowledgeBase, bob: User) -> None:
    title = ask_in(knowledge_base, bob, "why " * 100).question.conversation.title
    assert len(title) <= chat.TITLE_LENGTH
    assert title.endswith("…")


def test_a_further_question_goes_to_the_knowledge_bases_of_the_conversation(
    knowledge_base: KnowledgeBase, bob: User
) -> None:
    first = ask_in(knowledge_base, bob)
    conversation = first.question.conversation
    before = conversation.updated_at
    again = chat.ask(actor=bob, conversation=conversation, knowledge_bases=[], text="And why?")
    conversation.refresh_from_db()
    assert again.question.conversation == conversation
    assert list(again.knowledge_bases.all()) == [knowledge_base]
    assert conversation.updated_at > before
    assert conversation.title == QUESTION


@pytest.mark.parametrize("text", ["", "  \n ", "\0", "x" * 2001])
def test_an_empty_or_endless_question_is_refused_with_a_sentence(
    knowledge_base: KnowledgeBase, bob: User, text: str
) -> None:
    with pytest.raises(QuestionRefused) as refusal:
        ask_in(knowledge_base, bob, text)
    assert str(refusal.value).endswith(".")
    assert not Question.objects.exists()


def test_a_question_of_the_longest_length_is_taken(
    knowledge_base: KnowledgeBase, bob: User
) -> None:
    assert ask_in(knowledge_base, bob, "x" * 2000).pk


@pytest.mark.parametrize(
    ("text", "stored"),
    [("sleep\0better", "sleep better"), ("\ud83d sleep", "? sleep"), ("😴 sleep", "😴 sleep")],
)
def test_what_the_database_does_not_take_does_not_join_or_lose_words(
    knowledge_base: KnowledgeBase, bob: User, text: str, stored: str
) -> None:
    assert ask_in(knowledge_base, bob, text).question.text == stored


def test_a_stranger_may_not_ask_a_private_knowledge_base(
    knowledge_base: KnowledgeBase, charlie: User
) -> None:
    with pytest.raises(QuestionRefused):
        ask_in(knowledge_base, charlie)
    assert not Conversation.objects.exists()


def test_everyone_signed_in_may_ask_an_open_knowledge_base(
    knowledge_base: KnowledgeBase, charlie: User
) -> None:
    knowledge_base.visibility = KnowledgeBase.Visibility.SIGNED_IN
    knowledge_base.save()
    assert ask_in(knowledge_base, charlie).pk


def test_knowledge_bases_that_may_not_be_asked_are_left_out(
    knowledge_base: KnowledgeBase, bob: User
) -> None:
    closed = KnowledgeBase.objects.create(name="Closed", slug="closed")
    answer = chat.ask(
        actor=bob, conversation=None, knowledge_bases=[closed, knowledge_base], text=QUESTION
    )
    assert list(answer.knowledge_bases.all()) == [knowledge_base]
    assert answer.configuration["knowledge_bases"] == [knowledge_base.pk]


def test_the_order_of_the_knowledge_bases_is_kept(knowledge_base: KnowledgeBase, bob: User) -> None:
    other = KnowledgeBase.objects.create(name="Open", slug="open", visibility="signed_in")
    answer = chat.ask(
        actor=bob, conversation=None, knowledge_bases=[other, knowledge_base], text=QUESTION
    )
    assert answer.configuration["knowledge_bases"] == [other.pk, knowledge_base.pk]


def test_nobody_asks_in_a_conversation_of_someone_else(
    knowledge_base: KnowledgeBase, alice: User, bob: User
) -> None:
    conversation = ask_in(knowledge_base, bob).question.conversation
    with pytest.raises(Http404):
        chat.ask(
            actor=alice, conversation=conversation, knowledge_bases=[knowledge_base], text="Hm?"
        )


def test_asking_is_on_the_record_without_the_text(knowledge_base: KnowledgeBase, bob: User) -> None:
    ask_in(knowledge_base, bob)
    event = AuditEvent.objects.get(action="question.ask")
    assert event.actor == bob
    assert QUESTION not in str(event.data)


# ---- enqueuing -----------------------------------------------------------------------------------
def test_a_worker_answers_what_was_asked(
    indexed: KnowledgeBase,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def work(arguments: tuple[int, ...], *, expires: int) -> None:
        assert expires > 0
        generate_answer(*arguments)

    monkeypatch.setattr("qa.chat.generate_answer.apply_async", work)
    with django_capture_on_commit_callbacks(execute=True):
        answer = ask_in(indexed, bob)
    answer.refresh_from_db()
    assert answer.state == Answer.State.DONE


def test_a_question_waits_when_the_broker_is_away(
    knowledge_base: KnowledgeBase,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OperationalError

    monkeypatch.setattr("qa.chat.generate_answer.apply_async", fail)
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        answer = ask_in(knowledge_base, bob)
    assert len(callbacks) == 1
    answer.refresh_from_db()
    assert answer.state == Answer.State.PENDING


# ---- who may read --------------------------------------------------------------------------------
def test_a_conversation_is_found_by_its_owner_only(
    knowledge_base: KnowledgeBase, alice: User, bob: User, admin: User
) -> None:
    conversation = ask_in(knowledge_base, bob).question.conversation
    assert chat.conversation_for(bob, conversation.pk) == conversation
    for other in (alice, admin):
        with pytest.raises(Http404):
            chat.conversation_for(other, conversation.pk)
    assert list(chat.conversations_of(bob)) == [conversation]
    assert not chat.conversations_of(alice).exists()


def test_an_answer_is_read_by_its_asker_and_by_reviewers_of_all_its_knowledge_bases(
    knowledge_base: KnowledgeBase, alice: User, bob: User, charlie: User
) -> None:
    answer = ask_in(knowledge_base, bob)
    assert chat.answer_for(bob, answer.pk) == answer
    assert chat.answer_for(alice, answer.pk) == answer  # An owner holds every role.
    with pytest.raises(Http404):
        chat.answer_for(charlie, answer.pk)
    Membership.objects.create(
        knowledge_base=knowledge_base, user=charlie, roles=[Membership.Role.REVIEWER]
    )
    assert chat.answer_for(charlie, answer.pk) == answer
    answer.knowledge_bases.add(KnowledgeBase.objects.create(name="Other", slug="other"))
    with pytest.raises(Http404):
        chat.answer_for(charlie, answer.pk)


def test_a_reviewer_reads_but_does_not_own(
    knowledge_base: KnowledgeBase, alice: User, bob: User
) -> None:
    answer = ask_in(knowledge_base, bob)
    with pytest.raises(Http404):
        chat.own_answer_for(alice, answer.pk)
    for change in (chat.stop, chat.regenerate, chat.answer_twin):
        with pytest.raises(Http404):
            change(alice, answer)
    answer.refresh_from_db()
    assert answer.state == Answer.State.PENDING
    assert answer.question.answers.count() == 1


# ---- again ---------------------------------------------------------------------------------------
def test_a_regenerated_answer_stands_beside_the_old_one(ask: Ask, bob: User) -> None:
    first = ask(bob)
    again = chat.regenerate(bob, first)
    assert again.kind == Answer.Kind.REGENERATED
    assert again.question == first.question
    assert again.with_rerank
    first.refresh_from_db()
    assert first.text


def test_the_twin_without_rerank_is_made_once(ask: Ask, bob: User) -> None:
    first = ask(bob)
    twin = chat.answer_twin(bob, first)
    assert twin.kind == Answer.Kind.TWIN
    assert not twin.with_rerank
    assert chat.answer_twin(bob, first) == twin
    Answer.objects.filter(pk=twin.pk).update(state=Answer.State.FAILED)
    assert chat.answer_twin(bob, first) != twin


def test_answering_again_needs_access_as_asking_does(
    ask: Ask, indexed: KnowledgeBase, bob: User
) -> None:
    first = ask(bob)
    indexed.memberships.filter(user=bob).delete()
    with pytest.raises(QuestionRefused):
        chat.regenerate(bob, first)


# ---- stopping ------------------------------------------------------------------------------------
def test_stopping_a_running_answer_leaves_a_mark_for_the_worker(
    knowledge_base: KnowledgeBase, bob: User
) -> None:
    answer = ask_in(knowledge_base, bob)
    Answer.objects.filter(pk=answer.pk).update(state=Answer.State.RUNNING, attempt=1)
    assert chat.stop(bob, answer)
    assert answer.state == Answer.State.RUNNING
    assert answer.stop_requested_at is not None


def test_stopping_a_finished_answer_changes_nothing(ask: Ask, bob: User) -> None:
    answer = ask(bob)
    assert not chat.stop(bob, answer)
    assert answer.state == Answer.State.DONE
    assert answer.stop_requested_at is None
    assert not AuditEvent.objects.filter(action="answer.stop").exists()


# ---- conversations -------------------------------------------------------------------------------
def test_a_deleted_conversation_takes_its_answers_along_and_comes_back(
    knowledge_base: KnowledgeBase, bob: User
) -> None:
    answer = ask_in(knowledge_base, bob)
    conversation = answer.question.conversation
    chat.delete_conversation(bob, conversation)
    with pytest.raises(Http404):
        chat.conversation_for(bob, conversation.pk)
    with pytest.raises(Http404):
        chat.answer_for(bob, answer.pk)
    chat.restore_conversation(bob, chat.conversation_for(bob, conversation.pk, deleted=True))
    assert chat.answer_for(bob, answer.pk) == answer


def test_a_conversation_is_renamed_by_its_owner_only(
    knowledge_base: KnowledgeBase, alice: User, bob: User
) -> None:
    conversation = ask_in(knowledge_base, bob).question.conversation
    chat.rename_conversation(bob, conversation, "  Sleep \n")
    conversation.refresh_from_db()
    assert conversation.title == "Sleep"
    with pytest.raises(QuestionRefused):
        chat.rename_conversation(bob, conversation, "   ")
    changes: tuple[Callable[[], None], ...] = (
        lambda: chat.rename_conversation(alice, conversation, "Mine"),
        lambda: chat.delete_conversation(alice, conversation),
        lambda: chat.restore_conversation(alice, conversation),
    )
    for change in changes:
        with pytest.raises(Http404):
            change()
