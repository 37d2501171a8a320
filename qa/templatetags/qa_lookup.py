"""Reading a dictionary by a key that is itself a template variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

if TYPE_CHECKING:
    from collections.abc import Mapping

register = template.Library()


@register.filter
def item(mapping: Mapping[object, object], key: object) -> object:
    """``mapping[key]``, or ``None``."""
    return mapping.get(key)
