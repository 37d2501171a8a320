"""What happens while an answer is made, as values that survive a trip through JSON.

The pipeline yields ``Stage``, ``Ranked``, ``Token`` and ``Stopped``. ``Done`` and ``Failed`` are
published by ``answering`` after the row is saved, so that a reader who sees them finds the row.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

StageName = Literal["recall", "rank", "generate", "cite"]


class _JsonForm:
    """``{"kind": …}`` and the fields, as one line of JSON."""

    __slots__ = ()
    kind: ClassVar[str]

    def to_json(self) -> str:
        """One line of JSON from which ``from_json`` makes an equal event."""
        fields = asdict(self)  # type: ignore[call-overload]
        return json.dumps({"kind": self.kind, **fields}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Stage(_JsonForm):
    """The pipeline entered a stage."""

    kind: ClassVar[str] = "stage"
    name: StageName


@dataclass(frozen=True, slots=True)
class Ranked(_JsonForm):
    """The ranking is made and saved. Holds counts and ids only: text is shown after a check."""

    kind: ClassVar[str] = "ranked"
    summary: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Token(_JsonForm):
    """A piece of the answer's text, to be appended."""

    kind: ClassVar[str] = "token"
    text: str


@dataclass(frozen=True, slots=True)
class Done(_JsonForm):
    """The answer is saved. ``status`` is the row's status; the page renders it from the row."""

    kind: ClassVar[str] = "done"
    status: str


@dataclass(frozen=True, slots=True)
class Failed(_JsonForm):
    """No answer could be made; ``reason`` is a stable word, put into a sentence by the page."""

    kind: ClassVar[str] = "failed"
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped(_JsonForm):
    """The reader stopped the answer; what came before is kept."""

    kind: ClassVar[str] = "stopped"


Event = Stage | Ranked | Token | Done | Failed | Stopped

_KINDS: dict[str, type[Event]] = {
    event.kind: event for event in (Stage, Ranked, Token, Done, Failed, Stopped)
}

TERMINAL_KINDS = frozenset({Done.kind, Failed.kind, Stopped.kind})
"""After one of these a stream holds nothing more."""


def from_json(text: str) -> Event:
    """The event that ``to_json`` wrote. Raises ``ValueError`` for anything else."""
    try:
        fields: dict[str, Any] = dict(json.loads(text))
        return _KINDS[fields.pop("kind")](**fields)
    except (KeyError, TypeError) as error:
        message = "not an event of an answer"
        raise ValueError(message) from error
