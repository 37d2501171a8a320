"""The audit trail's one way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accounts.models import AuditEvent

if TYPE_CHECKING:
    from django.db.models import Model

    from accounts.models import User


def record(actor: User | None, action: str, target: Model, **data: object) -> AuditEvent:
    """Write who did what to ``target``; call it inside the transaction that makes the change.

    ``action`` is a stable dotted word (``document.disable``). ``data`` must be JSON-ready and hold
    no document text. ``actor`` is None when the system acts by itself.
    """
    return AuditEvent.objects.create(
        actor=actor,
        actor_name=actor.get_username() if actor else "system",
        action=action,
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        data=data,
    )
