"""A page of figures of which each program writes one part and leaves the others as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "# Benchmarks\n\nEach part is made by the command above it; do not edit by hand.\n"


def put_part(page: str, name: str, part: str) -> str:
    """``page`` with ``part`` in place of the one of that name, or at its end."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    whole = f"{begin}\n{part.strip()}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(page):
        return pattern.sub(lambda _: whole, page)
    return f"{page.rstrip() or HEAD.rstrip()}\n\n{whole}\n"


def write_part(path: Path, name: str, part: str) -> None:
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(put_part(page, name, part), encoding="utf-8")


def yes(holds: bool) -> str:  # noqa: FBT001
    return "yes" if holds else "**no**"
