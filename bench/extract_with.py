"""One file read by one library, in a process of its own, under whichever interpreter has it.

    PYTHON bench/extract_with.py TOOL FILE OUT

Imports nothing of ours unless the tool is ``ragsite``: the libraries that are only compared live in
an environment of their own. OUT gets JSON: text, seconds of the reading alone, seconds of the
import, peak memory of the process in MiB, how many lines have a place on their page, error.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Extract = Callable[[Path], tuple[str, int]]


def ragsite() -> Extract:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from documents.parsing.base import ParserContext
    from documents.parsing.registry import detect_media_type, parser_for

    def extract(path: Path) -> tuple[str, int]:
        with path.open("rb") as file:
            media_type = detect_media_type(path.name, file.read(4096))
        parsed = parser_for(media_type).parse(path, ParserContext())
        return parsed.text, len(parsed.lines)

    return extract


def kreuzberg() -> Extract:
    import kreuzberg as library

    return lambda path: (library.extract_file_sync(str(path)).content, 0)


def markitdown() -> Extract:
    from markitdown import MarkItDown

    return lambda path: (MarkItDown().convert(str(path)).text_content, 0)


def pypdfium2() -> Extract:
    import pypdfium2 as library

    def extract(path: Path) -> tuple[str, int]:
        document = library.PdfDocument(path)
        pages = [page.get_textpage() for page in document]
        return "\n".join(page.get_text_range() for page in pages), sum(
            page.count_rects() for page in pages
        )

    return extract


def pypdf() -> Extract:
    from pypdf import PdfReader

    return lambda path: ("\n".join(p.extract_text() for p in PdfReader(path).pages), 0)


TOOLS: dict[str, Callable[[], Extract]] = {
    tool.__name__: tool for tool in (ragsite, kreuzberg, markitdown, pypdfium2, pypdf)
}


def peak_mb() -> float:
    """The most memory that this process held. ``ru_maxrss`` would count who started it, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main(tool: str, path: Path, out: Path) -> None:
    """Read, and write down what came of it; a failure of the library is an answer too."""
    text, positions, error = "", 0, ""
    begun = time.perf_counter()
    extract = TOOLS[tool]()
    ready = time.perf_counter()
    try:
        text, positions = extract(path)
    except Exception as caught:  # noqa: BLE001 - libraries raise what they like
        error = f"{type(caught).__name__}: {caught}"[:300]
    result = {
        "text": text,
        "seconds": time.perf_counter() - ready,
        "import_seconds": ready - begun,
        "memory_mb": peak_mb(),
        "positions": positions,
        "error": error,
    }
    out.write_text(json.dumps(result), encoding="utf-8", errors="surrogatepass")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
