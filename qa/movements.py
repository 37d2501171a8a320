"""What rerank did to the order of the sources, by comparing two rankings of the same items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

K = TypeVar("K", bound="Hashable")

MovementKind = Literal["up", "down", "same", "new", "dropped"]


@dataclass(frozen=True, slots=True)
class Movement:
    """How an item moved from the old order to the new one.

    ``new`` came into the top, ``dropped`` fell out of it; ``places`` is how far it moved in any
    case, at least 0, and is also given for those two where both ranks are known.
    """

    kind: MovementKind
    places: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two orders of the same items, and how many of the top ones changed."""

    movements: dict[object, Movement]
    changed: int
    """Items in the new top that are not in the old one."""
    moved: int
    """Items in the new top whose place is not the old one, those that came in included."""
    top: int
    """How many items the new top holds."""


def compare_orders(before: Sequence[K], after: Sequence[K], *, top: int) -> Comparison:
    """Movement of every item of either order from ``before`` to ``after`` (both best first)."""
    if top < 1:
        message = "top must be at least 1"
        raise ValueError(message)
    old = {item: rank for rank, item in enumerate(before, start=1)}
    new = {item: rank for rank, item in enumerate(after, start=1)}
    movements: dict[object, Movement] = {
        item: _movement(old.get(item), new.get(item), top) for item in {**old, **new}
    }
    leading = after[:top]
    return Comparison(
        movements=movements,
        changed=sum(1 for item in leading if old.get(item, top + 1) > top),
        moved=sum(1 for item in leading if old.get(item) != new[item]),
        top=len(leading),
    )


def _movement(old: int | None, new: int | None, top: int) -> Movement:
    places = abs(old - new) if old is not None and new is not None else 0
    was_in = old is not None and old <= top
    is_in = new is not None and new <= top
    if is_in and not was_in:
        return Movement("new", places)
    if was_in and not is_in:
        return Movement("dropped", places)
    if old is None or new is None or old == new:
        return Movement("same")
    return Movement("up" if new < old else "down", places)
