"""How far the probability of relevance can be believed: diagrams, and a section of the model card.

    python -m training.reliability DUMP --images docs/images --markdown MODEL_CARD.md
    python -m training.reliability DUMP --config inference/weights/NAME/config.json --markdown FILE

``DUMP`` is a folder that ``manage.py evaluate_retrieval --dump DUMP`` wrote; a diagram a language.
The section stands between ``<!-- reliability -->`` and ``<!-- end of reliability -->`` in the file
and is replaced there; a file without them gets it at its end.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from qa.reliability import reliability
from qa.score_dumps import read_dumps
from training.replay import card_from, judged, language_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.ports import RerankerCard
    from qa.reliability import Reliability
    from qa.score_dumps import ScoredQuestion

LANGUAGES = {"en": "English", "zh": "Chinese"}
BEGIN, END = "<!-- reliability -->", "<!-- end of reliability -->"

# One square plot, with room for words to its left and below, and the shares under it.
LEFT, TOP, SIDE, SHARES = 64, 44, 320, 48
WIDTH, HEIGHT = LEFT + SIDE + 24, TOP + SIDE + SHARES + 70

_STYLE = """
  .ground { fill: #ffffff; } .frame { fill: none; stroke: #8a929c; }
  .grid { stroke: #d9dee4; } .ideal { stroke: #6b7480; stroke-dasharray: 5 4; }
  .line { fill: none; stroke: #1f5fbf; stroke-width: 2; } .dot { fill: #1f5fbf; }
  .share { fill: #9db8e0; } text { fill: #1d232b; font: 12px sans-serif; }
  .title { font-size: 14px; font-weight: 600; } .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #14181d; } .frame { stroke: #8a929c; } .grid { stroke: #303842; }
    .ideal { stroke: #a7b0bb; } .line { stroke: #7fb0ff; } .dot { fill: #7fb0ff; }
    .share { fill: #3f5f93; } text { fill: #e8ecf1; }
  }
"""


def diagram(found: Reliability, title: str) -> str:
    """An SVG that can be read on a light and on a dark page, by eye and by a screen reader."""
    floor = TOP + SIDE
    dots = [(LEFT + SIDE * b.probability, floor - SIDE * b.answered, b) for b in found.bins]
    told = "; ".join(
        f"{b.low:.1f} to {b.high:.1f}: mean probability {b.probability:.2f}, "
        f"{b.answered:.2f} answer, {b.share:.1%} of the passages"
        for b in found.bins
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title told">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="told">{escape(told)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
            f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
            *_grid(floor),
            f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>',
            f'<line class="ideal" x1="{LEFT}" y1="{floor}" x2="{LEFT + SIDE}" y2="{TOP}"/>',
            '<polyline class="line" points="'
            + " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in dots)
            + '"/>',
            *(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>' for x, y, _ in dots),
            *_shares(found, floor + SHARES + 24),
            f'<text class="middle" x="{LEFT + SIDE / 2}" y="{HEIGHT - 12}">'
            "probability that the passage answers; bars: share of passages</text>",
            f'<text class="middle" x="16" y="{TOP + SIDE / 2}" '
            f'transform="rotate(-90 16 {TOP + SIDE / 2})">share that does answer</text>',
            "</svg>",
            "",
        ]
    )


def section(
    dumps: Mapping[str, Sequence[ScoredQuestion]],
    card: RerankerCard | None,
    images: Mapping[str, str],
) -> str:
    """Markdown: the diagram of each language, and the figures of each language and set."""
    lines = [
        "On the questions that were asked of the judged sets (`docs/evaluation.md`), over the "
        "first fused candidates, each set counting alike. A passage answers when its document was "
        "judged relevant; documents that nobody judged count as not answering, though some would. "
        "Expected calibration error: ten bins of equal width. Best, tenth and deviation are of "
        "the ten most probable passages of a question (medians, and the mean standard "
        "deviation): where they lie close together, the other factors decide the order.",
        "",
    ]
    for language, path in images.items():
        lines += [f"![Reliability, {LANGUAGES.get(language, language)}]({path})", ""]
    lines += [
        "| | questions | passages | answering | calibration error | of the top ten | log loss "
        "| best | tenth | deviation |",
        "|---|" + "---:|" * 9,
    ]
    for language, names in _by_language(dumps).items():
        sets = {name: judged(dumps[name], card) for name in names}
        read = {name: found for name, found in sets.items() if found}
        words = LANGUAGES.get(language, language)
        if not read:
            lines.append(f"| {words}: not reranked |" + " |" * 9)
            continue
        lines.append(_row(f"**{words}**", reliability(read)))
        lines += [_row(name, reliability({name: found})) for name, found in read.items()]
    return "\n".join(lines) + "\n"


def placed(text: str, new: str) -> str:
    """``text`` with the section replaced, or added at its end."""
    block = f"{BEGIN}\n{new}{END}"
    if BEGIN in text and END in text:
        pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
        return pattern.sub(lambda _: block, text, count=1)
    before = text.rstrip("\n") + "\n\n" if text.strip() else ""
    return f"{before}## Reliability\n\n{block}\n"


def write_diagrams(
    dumps: Mapping[str, Sequence[ScoredQuestion]], card: RerankerCard | None, folder: Path
) -> dict[str, Path]:
    """``reliability-LANGUAGE.svg`` for each language with reranked questions."""
    written: dict[str, Path] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for language, names in _by_language(dumps).items():
        sets = {name: judged(dumps[name], card) for name in names}
        if any(sets.values()):
            words = LANGUAGES.get(language, language)
            drawn = diagram(reliability(sets), f"Relevance, {words}: said and found")
            written[language] = folder / f"reliability-{language}.svg"
            written[language].write_text(drawn, encoding="utf-8")
    return written


def _grid(floor: int) -> list[str]:
    lines: list[str] = []
    for tenth in range(0, 11, 2):
        value = tenth / 10
        x, y = LEFT + SIDE * value, floor - SIDE * value
        lines += [
            f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + SIDE}" y2="{y:.1f}"/>',
            f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{floor}"/>',
            f'<text class="end" x="{LEFT - 8}" y="{y + 4:.1f}">{value:.1f}</text>',
            f'<text class="middle" x="{x:.1f}" y="{floor + 16}">{value:.1f}</text>',
        ]
    return lines


def _shares(found: Reliability, bottom: int) -> list[str]:
    """How many passages lie in each bin; one that holds any shows at least a line."""
    width = SIDE / 10
    bars: list[str] = []
    for each in found.bins:
        height = max(1.0, SHARES * each.share)
        x = LEFT + SIDE * each.low
        bars.append(
            f'<rect class="share" x="{x + 3:.1f}" y="{bottom - height:.1f}" '
            f'width="{width - 6:.1f}" height="{height:.1f}"/>'
        )
    return bars


def _by_language(dumps: Mapping[str, Sequence[ScoredQuestion]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, questions in dumps.items():
        if questions:
            found.setdefault(language_of(questions), []).append(name)
    return dict(sorted(found.items()))


def _row(words: str, found: Reliability) -> str:
    figures = (
        found.answering,
        found.error,
        found.top_error,
        found.log_loss,
        found.best,
        found.tenth,
        found.deviation,
    )
    cells = " | ".join(f"{value:.3f}" for value in figures)
    return f"| {words} | {found.questions} | {found.passages} | {cells} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dump", type=Path)
    parser.add_argument("--config", type=card_from, help="config.json with other calibrations")
    parser.add_argument("--images", type=Path, help="folder for the diagrams")
    parser.add_argument("--markdown", type=Path, help="file to put the section into")
    chosen = parser.parse_args(arguments)
    dumps = read_dumps(chosen.dump)
    written = write_diagrams(dumps, chosen.config, chosen.images) if chosen.images else {}
    beside = chosen.markdown.parent if chosen.markdown else Path()
    images = {
        language: Path(os.path.relpath(path, beside)).as_posix()
        for language, path in written.items()
    }
    new = section(dumps, chosen.config, images)
    if chosen.markdown:
        before = chosen.markdown.read_text(encoding="utf-8") if chosen.markdown.exists() else ""
        chosen.markdown.write_text(placed(before, new), encoding="utf-8")
    else:
        sys.stdout.write(new)


if __name__ == "__main__":
    main()
