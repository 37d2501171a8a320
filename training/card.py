"""Write the held-out figures of ``training.calibrate --report`` into a model card.

    python -m training.card REPORT.json inference/weights/reranker-mini-v2/MODEL_CARD.md

What stands between the two marks is replaced; the rest of the card is written by people.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN, END = "<!-- held-out figures: begin -->", "<!-- held-out figures: end -->"
LANGUAGES = {"en": "English", "zh": "Chinese"}
ORDERS = {
    "fused": "fused",
    "cosine": "bi-encoder",
    "lexical": "BM25",
    "rerank": "this model alone",
    "p(rerank cosine lexical)": "with bi-encoder and BM25",
    "p(rerank lexical)": "with BM25",
    "p(cosine lexical)": "without this model",
    "as shipped": "as shipped, with the place",
}


def table(figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One row for each set, one column for each order that was measured."""
    orders = [order for order in ORDERS if order in figures]
    names = [name for name in figures["fused"] if name != "mean"]
    lines = [
        "| questions of | " + " | ".join(ORDERS[order] for order in orders) + " |",
        "|---" * (len(orders) + 1) + "|",
    ]
    for name in (*names, "mean"):
        cells = " | ".join(f"{figures[order][name]:.3f}" for order in orders)
        lines.append(f"| {f'**{name}**' if name == 'mean' else name} | {cells} |")
    return lines


def section(report: Mapping[str, Any]) -> str:
    """The Markdown of both languages: tables of nDCG@10 and how far probabilities hold."""
    lines: list[str] = []
    for code, language in LANGUAGES.items():
        found = report[code]
        lines += [f"### {language}: {found['questions']} questions", "", *table(found["ndcg@10"])]
        best = next(iter(found["honesty"].values()))
        lines += [
            "",
            f"Probability from all scores: expected calibration error "
            f"{best['calibration_error']:.3f}; median of the best candidate "
            f"{best['best_median']:.2f}, of the tenth {best['tenth_median']:.3f}; standard "
            f"deviation over the top 10 {best['spread_top10']:.2f}.",
            "",
        ]
    return "\n".join(lines)


def replaced(card: str, text: str) -> str:
    """The card with ``text`` between its marks. ``ValueError`` when it has none."""
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"the card needs the marks {BEGIN} and {END}"
        raise ValueError(message)
    return f"{before}{BEGIN}\n{text}{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("card", type=Path)
    arguments = parser.parse_args()
    report = json.loads(arguments.report.read_text(encoding="utf-8"))
    card = arguments.card.read_text(encoding="utf-8")
    arguments.card.write_text(replaced(card, section(report)), encoding="utf-8")


if __name__ == "__main__":
    main()
