"""Which reranker a knowledge base uses: rows of ``RerankerProfile``, seeded from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from accounts.audit import record
from documents.models import KnowledgeBase
from inference.conf import (
    COHERE_ADDRESS,
    RerankerSpec,
    default_reranker,
    get_reranker,
    languages_of,
    release_reranker,
)
from inference.errors import ModelError
from qa.models import RerankerProfile

if TYPE_CHECKING:
    from accounts.models import User
    from inference.ports import Reranker
    from inference.rerank_dialects import DialectName, Scale

Kind = RerankerProfile.Kind

ENOUGH_CANDIDATES = 10
"""A reranker that reads fewer within its time limit here does not become the default."""
FALLBACK_KINDS = frozenset({Kind.BUNDLED.value, Kind.FAKE.value})
"""They run anywhere, so they are the default without a trial, and take over when another fails."""

_LOCAL_KINDS = frozenset({Kind.BUNDLED.value, Kind.LOCAL.value})

_made: dict[int, RerankerSpec] = {}
"""What this process last made of each row, so that an edited row does not stay in memory twice."""


def ensure_profiles() -> RerankerProfile | None:
    """The row of the reranker that the settings name, made when it is new; ``None`` for none.

    One that is new is to become the default, so that a changed setting takes effect: at once if it
    is sure to run here, else after its trial, with the bundled one as the default until then.
    Later the row belongs to the administrators, who may make another the default.
    """
    spec = default_reranker()
    if spec.kind == "none":
        return None
    seeded = _seed(spec)
    if seeded.kind not in FALLBACK_KINDS:
        _seed(RerankerSpec("bundled"))
    return seeded


def reranker_for(
    knowledge_base: KnowledgeBase,
) -> tuple[Reranker | None, RerankerProfile | None]:
    """The reranker that the knowledge base chose, else the default, with its profile.

    No reranker beside a profile means that it cannot be used now: its files are missing, or the row
    is incomplete. Neither means that the installation has none.
    """
    profile = profile_of(knowledge_base)
    return (None, None) if profile is None else (reranker_of(profile), profile)


def profile_of(knowledge_base: KnowledgeBase) -> RerankerProfile | None:
    """The profile that the knowledge base names, else the default one, if enabled."""
    ensure_profiles()
    return chosen_by(knowledge_base)


def chosen_by(knowledge_base: KnowledgeBase) -> RerankerProfile | None:
    """``profile_of`` for pages: it only looks, so there is none before a worker has made any."""
    enabled = RerankerProfile.objects.filter(is_enabled=True)
    if knowledge_base.reranker:
        chosen = enabled.filter(name=knowledge_base.reranker).first()
        if chosen is not None:
            return chosen
    if default_reranker().kind == "none":
        return None
    return enabled.filter(is_default=True).first()


def reranker_of(profile: RerankerProfile) -> Reranker | None:
    """What the row describes, loaded when first used; ``None`` when it cannot be made."""
    spec = spec_of(profile)
    before = _made.get(profile.pk)
    _made[profile.pk] = spec
    if before is not None and before not in _made.values():
        release_reranker(before)
    try:
        return get_reranker(spec)
    except ModelError:
        return None


def covers(profile: RerankerProfile, language: str) -> bool:
    """Whether the reranker was made for the language (ISO 639-1; empty: unknown, which it may)."""
    known = languages_for(profile)
    return not known or not language or language in known


def languages_for(profile: RerankerProfile) -> tuple[str, ...]:
    """ISO 639-1 codes, empty for any. The bundled one tells its own, whatever its row says."""
    try:
        return languages_of(spec_of(profile))
    except ModelError:
        return tuple(profile.languages)


def spec_of(profile: RerankerProfile) -> RerankerSpec:
    """The row in the words of ``inference``; equal ones share a loaded model."""
    if profile.kind in (Kind.COHERE, Kind.SERVER):
        is_cohere = profile.kind == Kind.COHERE
        return RerankerSpec(
            "server",
            model=profile.model,
            revision=profile.revision,
            languages=tuple(profile.languages),
            url=profile.url or (COHERE_ADDRESS if is_cohere else ""),
            dialect=cast("DialectName", profile.dialect or "cohere_v2"),
            key_source=profile.key_variable,
            documents_per_request=profile.documents_per_request,
            score_scale=cast("Scale | None", profile.score_scale or None),
        )
    if profile.kind == Kind.LOCAL:
        return RerankerSpec(
            "local",
            model=profile.model,
            revision=profile.revision,
            languages=tuple(profile.languages),
            batch_tokens=profile.batch_tokens,
            max_length=profile.max_length,
        )
    # The bundled model and the fake know their languages themselves, so nothing is said here that
    # the settings do not say.
    return RerankerSpec(
        "fake" if profile.kind == Kind.FAKE else "bundled",
        batch_tokens=profile.batch_tokens,
        max_length=profile.max_length,
    )


def specs_in_use() -> list[RerankerSpec] | None:
    """The rerankers that questions will ask for, to be loaded beforehand.

    ``None`` when the database cannot tell: then the settings have to.
    """
    try:
        asked = KnowledgeBase.objects.filter(deleted_at=None, rerank_enabled=True)
        chosen = Q(name__in=asked.exclude(reranker="").values("reranker"))
        if ensure_profiles() is not None:
            chosen |= Q(is_default=True)
        rows = RerankerProfile.objects.filter(chosen, is_enabled=True, kind__in=_LOCAL_KINDS)
        return [spec_of(profile) for profile in rows.order_by("pk")]
    except DatabaseError:
        return None


# ---- the default -------------------------------------------------------------------------------
def passed(profile: RerankerProfile) -> bool:
    """Whether its trial said that it reads enough candidates within its time limit here."""
    probe = profile.probe or {}
    return not probe.get("error") and probe.get("candidates", 0) >= ENOUGH_CANDIDATES


def lock_profiles() -> None:
    """Changes of the default wait for each other; call it first in a transaction."""
    list(RerankerProfile.objects.select_for_update().order_by("pk").values_list("pk"))


def settle_default(profile: RerankerProfile, *, actor: User | None) -> RerankerProfile:
    """Make it the default if it wants to be and may, or take that from it if it may not be.

    Rows must be locked (``lock_profiles``). A default that fails its trial hands back to the
    bundled one. Returns the row as it is now; each change is on record.
    """
    is_able = profile.is_enabled and (passed(profile) or profile.kind in FALLBACK_KINDS)
    rows = RerankerProfile.objects
    if is_able and profile.wants_default and not profile.is_default:
        rows.filter(is_default=True).update(is_default=False, wants_default=False)
        if rows.filter(pk=profile.pk, wants_default=True, is_enabled=True).update(is_default=True):
            record(actor, "reranker.default", profile, name=profile.name)
    # While a trial is awaited, it stays: the last one is not what this row would do now.
    elif profile.is_default and not is_able and not _is_awaited(profile):
        rows.filter(pk=profile.pk).update(is_default=False)
        record(actor, "reranker.not_default", profile, name=profile.name)
        heir = rows.filter(kind__in=FALLBACK_KINDS, is_enabled=True).exclude(pk=profile.pk)
        successor = heir.order_by("pk").first()
        if successor is not None:
            rows.filter(pk=successor.pk).update(is_default=True)
            record(actor, "reranker.default", successor, name=successor.name)
    profile.refresh_from_db()
    return profile


def _is_awaited(profile: RerankerProfile) -> bool:
    return profile.is_enabled and profile.probe_wanted_at is not None


# ---- seeding -----------------------------------------------------------------------------------
def _seed(spec: RerankerSpec) -> RerankerProfile:
    name = _profile_name(spec)
    existing = RerankerProfile.objects.filter(name=name).first()
    if existing is not None:
        return existing
    try:
        with transaction.atomic():
            lock_profiles()
            made = _new_row(spec, name)
            # The bundled one beside another is the default only where there is none.
            wanted = default_reranker() == spec
            made.wants_default = wanted
            made.is_default = not RerankerProfile.objects.filter(is_default=True).exists() and (
                made.kind in FALLBACK_KINDS
            )
            made.save(force_insert=True)
            record(None, "reranker.seed", made, name=name)
            return settle_default(made, actor=None)
    except IntegrityError:  # Another process was first.
        return RerankerProfile.objects.get(name=name)


def _new_row(spec: RerankerSpec, name: str) -> RerankerProfile:
    is_server = spec.kind == "server"
    return RerankerProfile(
        name=name,
        kind=Kind.COHERE if is_server else spec.kind,
        model=spec.model,
        revision=spec.revision,
        dialect=spec.dialect if is_server else "",
        key_variable=spec.key_source,
        languages=_languages(spec),
        batch_tokens=spec.batch_tokens,
        max_length=spec.max_length,
        documents_per_request=spec.documents_per_request,
        probe_wanted_at=timezone.now(),
    )


def _languages(spec: RerankerSpec) -> list[str]:
    try:
        return list(languages_of(spec))
    except ModelError:
        return []


def _profile_name(spec: RerankerSpec) -> str:
    if spec.kind not in ("local", "server"):
        return spec.kind
    provider = "cohere " if spec.kind == "server" else ""
    words = f"{provider}{spec.model} {spec.revision}".replace("/", " ").replace(".", "-")
    return slugify(words)[-80:].strip("-")
