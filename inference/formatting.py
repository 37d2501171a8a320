"""How a passage is written out for a model. Training and the product both call this."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def format_passage(title: str, heading_path: Sequence[str], text: str) -> str:
    """The passage under its title and headings: ``Title > Heading > Subheading``, a line, the text.

    Empty parts are left out, and a heading that repeats the one above it is written once, so that
    a document whose first heading is its title does not spend the model's window on it twice.
    """
    path: list[str] = []
    for part in (title, *heading_path):
        name = part.strip()
        if name and (not path or path[-1] != name):
            path.append(name)
    if not path:
        return text
    return " > ".join(path) + "\n" + text
