"""The demonstration: four people, the sample knowledge base, and one question, all by services.

Every step looks first and does only what is missing, so that a second start finds its data.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.db import transaction

from accounts import people
from accounts.models import User
from accounts.people import Role
from documents import bases, curating, uploading
from documents.models import Document, DocumentVersion, KnowledgeBase, Membership
from qa import chat
from qa.models import Answer
from ragsite.problems import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

KNOWLEDGE_BASE = "health"
QUESTION = "What fruit can someone with diabetes eat?"
EXAMPLES = [
    QUESTION,
    "How can I sleep better?",
    "What are the latest 2025 diabetes treatment guidelines?",
    "Why do I snore at night?",
    "怎样才能改善睡眠质量？",
    "糖尿病人可以吃哪些水果？",
]
"""Offered to people who have not asked yet: lay and technical texts fit each."""
ROLES: dict[str, tuple[str, ...]] = {
    "asker": (),
    "curator": (Role.CURATOR.value,),
    "reviewer": (Role.REVIEWER.value,),
    "admin": (Role.ADMINISTRATOR.value,),
}
"""The accounts, and what each may do across the installation."""
WAIT_EVERY_S = 0.25
SAY_EVERY_S = 3.0
SILENCE_LIMIT_S = 180.0
"""Without any progress for so long, something is broken."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of ``samples/index.jsonl``."""

    path: Path
    title: str
    effective_date: date | None
    source_url: str
    licence: str
    superseded_by: str
    """Name of the file that takes its place, or ``""``."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the versions of the sample knowledge base are."""

    ready: int
    failed: int
    total: int

    @property
    def is_final(self) -> bool:
        return self.ready + self.failed >= self.total


def create_accounts(file: Path) -> dict[str, str]:
    """Make the four accounts where they are missing. Returns each one's password.

    Passwords are drawn once and kept in ``file``, readable by its owner only. One that its owner
    has changed on the pages since is not touched.
    """
    passwords = _kept_passwords(file)
    with transaction.atomic():
        for name, roles in ROLES.items():
            if not User.objects.filter(username=name).exists():
                people.create_person(
                    actor=None,
                    username=name,
                    email=f"{name}@example.org",
                    roles=roles,
                    password=passwords[name],
                )
    return passwords


def create_knowledge_base() -> KnowledgeBase:
    """The sample knowledge base, open to everyone signed in; made and staffed if it is missing."""
    found = KnowledgeBase.objects.filter(slug=KNOWLEDGE_BASE).first()
    if found is not None:
        return found
    admin, curator, reviewer = (
        User.objects.get(username=name) for name in ("admin", "curator", "reviewer")
    )
    with transaction.atomic():
        base = bases.create_knowledge_base(
            actor=admin,
            name="Health",
            description="Articles for patients and abstracts of studies on the same subjects.",
            visibility=KnowledgeBase.Visibility.SIGNED_IN,
            suggested_questions=EXAMPLES,
        )
        roles = (
            (curator, [Membership.Role.OWNER, Membership.Role.CURATOR]),
            (reviewer, [Membership.Role.REVIEWER]),
        )
        for member, given in roles:
            bases.set_membership(
                actor=admin, base=base, member=member, roles=[role.value for role in given]
            )
    return base


def read_samples(folder: Path) -> list[Sample]:
    """The documents that ``index.jsonl`` in ``folder`` lists. Raises ``DemoError``."""
    index = folder / "index.jsonl"
    try:
        lines = index.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        message = f"The sample documents are missing: {index} cannot be read."
        raise DemoError(message) from error
    return [_sample(folder, json.loads(line)) for line in lines if line.strip()]


def upload_samples(base: KnowledgeBase, samples: list[Sample]) -> int:
    """Hand in every sample that is not there yet, as the curator would. Returns how many."""
    if Document.objects.filter(knowledge_base=base).count() >= len(samples):
        return 0
    curator = User.objects.get(username="curator")
    taken = 0
    documents: dict[str, Document] = {}
    for sample in samples:
        with sample.path.open("rb") as opened:
            outcome = uploading.upload(
                actor=curator, knowledge_base=base, file=File(opened, name=sample.path.name)
            )
        documents[sample.path.name] = outcome.document
        if not outcome.duplicate:
            _describe(curator, outcome.document, sample)
            taken += 1
    for sample in samples:
        newer = documents.get(sample.superseded_by)
        if newer is not None:
            older, changes = documents[sample.path.name], {"superseded_by": newer}
            curating.update_document(actor=curator, document=older, changes=changes)
    return taken


def wait_for_documents(base: KnowledgeBase, paths: Iterable[Path]) -> Iterator[Progress]:
    """Yield every few seconds while progress is made, until the files at ``paths`` are processed.

    What people uploaded themselves is not waited for, nor what they deleted. Raises ``DemoError``
    when nothing moves for three minutes.
    """
    last, moved_at, said_at = None, time.monotonic(), 0.0
    names = [path.name for path in paths]
    while True:
        now = _progress(base, names)
        if now != last:
            last, moved_at = now, time.monotonic()
            if now.is_final or moved_at - said_at > SAY_EVERY_S:
                said_at = moved_at
                yield now
        if now.is_final:
            return
        if time.monotonic() - moved_at > SILENCE_LIMIT_S:
            message = "No document was finished for three minutes; the lines of ingest say why."
            raise DemoError(message)
        time.sleep(WAIT_EVERY_S)


def failures(base: KnowledgeBase) -> list[DocumentVersion]:
    return list(_versions(base).filter(state=DocumentVersion.State.FAILED).order_by("filename"))


def has_asked() -> bool:
    """Whether the demonstration's question was answered at an earlier start."""
    return Answer.objects.filter(
        question__conversation__user__username="asker",
        question__text=QUESTION,
        state=Answer.State.DONE,
    ).exists()


def ask_question(base: KnowledgeBase) -> Answer:
    """Ask as the asker would, and wait for the stored answer. Raises ``DemoError``."""
    asker = User.objects.get(username="asker")
    answer = chat.ask(actor=asker, conversation=None, knowledge_bases=[base], text=QUESTION)
    began = time.monotonic()
    while not answer.is_final:
        if time.monotonic() - began > SILENCE_LIMIT_S:
            message = (
                "The question was not answered in three minutes; the lines of answers say why."
            )
            raise DemoError(message)
        time.sleep(WAIT_EVERY_S)
        answer.refresh_from_db()
    if answer.state != Answer.State.DONE:
        message = f"The question was not answered: {answer.error_code or answer.state}."
        raise DemoError(message)
    return answer


def _kept_passwords(file: Path) -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        kept = {}
    passwords = {name: kept.get(name) or secrets.token_urlsafe(9) for name in ROLES}
    if passwords != kept:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(passwords, out, indent=2)
    return passwords


def _sample(folder: Path, line: dict[str, Any]) -> Sample:
    return Sample(
        path=folder / line["file"],
        title=line["title"],
        effective_date=_date(line["date"]),
        source_url=line["url"] or "",
        licence=line["licence"],
        superseded_by=line.get("superseded_by", ""),
    )


def _date(text: str | None) -> date | None:
    """A date, or the middle of a year where only that is known."""
    if not text:
        return None
    return date(int(text), 7, 1) if len(text) == len("2024") else date.fromisoformat(text)


def _describe(curator: User, document: Document, sample: Sample) -> None:
    changes: dict[str, Any] = {
        "title": sample.title,
        "source_url": sample.source_url,
        "licence": sample.licence,
    }
    if sample.effective_date:
        changes["effective_date"] = sample.effective_date
    curating.update_document(actor=curator, document=document, changes=changes)


def _versions(base: KnowledgeBase) -> Any:
    return DocumentVersion.objects.filter(knowledge_base=base)


def _progress(base: KnowledgeBase, names: Sequence[str]) -> Progress:
    awaited = _versions(base).filter(filename__in=names, document__deleted_at=None)
    states = list(awaited.values_list("state", flat=True))
    ended = sum(1 for state in states if state in DocumentVersion.FINAL)
    ready = states.count(DocumentVersion.State.READY)
    return Progress(ready=ready, failed=ended - ready, total=len(states))
