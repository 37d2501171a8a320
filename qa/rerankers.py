"""Which reranker a knowledge base uses: rows of ``RerankerProfile``, seeded from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from inference.conf import RerankerSpec, default_reranker, get_reranker
from inference.errors import ModelError
from qa.models import RerankerProfile

if TYPE_CHECKING:
    from documents.models import KnowledgeBase
    from inference.conf import RerankerKind
    from inference.ports import Reranker

_RUNNABLE: dict[str, RerankerKind] = {"bundled": "bundled", "local": "local", "fake": "fake"}


def ensure_profiles() -> RerankerProfile | None:
    """The profile of the reranker that the settings name, made when it is new; ``None`` for none.

    One that is new becomes the default, so that a changed setting takes effect; after that the
    row belongs to the administrators, who may make another the default.
    """
    spec = default_reranker()
    if spec.kind == "none":
        return None
    name = _profile_name(spec)
    existing = RerankerProfile.objects.filter(name=name).first()
    if existing is not None:
        return existing
    try:
        with transaction.atomic():
            RerankerProfile.objects.filter(is_default=True).update(is_default=False)
            return RerankerProfile.objects.create(
                name=name,
                kind=spec.kind,
                model=spec.model,
                revision=spec.revision,
                languages=["en"] if spec.kind == "bundled" else list(spec.languages),
                batch_tokens=spec.batch_tokens,
                max_length=spec.max_length,
                is_default=True,
            )
    except IntegrityError:  # Another process was first.
        return RerankerProfile.objects.get(name=name)


def reranker_for(
    knowledge_base: KnowledgeBase,
) -> tuple[Reranker | None, RerankerProfile | None]:
    """The reranker that the knowledge base chose, else the default, with its profile.

    No reranker beside a profile means that it cannot be used now: its kind needs a part that is
    not installed, or its files are missing. Neither means that the installation has none.
    """
    profile = profile_of(knowledge_base)
    if profile is None:
        return None, None
    spec = _spec_of(profile)
    if spec is None:
        return None, profile
    try:
        return get_reranker(spec), profile
    except ModelError:
        return None, profile


def profile_of(knowledge_base: KnowledgeBase) -> RerankerProfile | None:
    """The profile that the knowledge base names, else the default one, if enabled."""
    seeded = ensure_profiles()
    enabled = RerankerProfile.objects.filter(is_enabled=True)
    if knowledge_base.reranker:
        chosen = enabled.filter(name=knowledge_base.reranker).first()
        if chosen is not None:
            return chosen
    return enabled.filter(is_default=True).first() if seeded is not None else None


def _profile_name(spec: RerankerSpec) -> str:
    if spec.kind != "local":
        return spec.kind
    return slugify(f"{spec.model} {spec.revision}".replace("/", " ").replace(".", "-"))[-80:]


def _spec_of(profile: RerankerProfile) -> RerankerSpec | None:
    kind = _RUNNABLE.get(profile.kind)
    if kind is None:
        return None
    return RerankerSpec(
        kind,
        model=profile.model,
        revision=profile.revision,
        # The bundled model and the fake know their languages themselves; equal specs share one
        # loaded model, so nothing is said here that the settings do not say.
        languages=tuple(profile.languages) if kind == "local" else (),
        batch_tokens=profile.batch_tokens,
        max_length=profile.max_length,
    )
