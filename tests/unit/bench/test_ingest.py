"""What is drawn, watched and written down by the comparison of ingestion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import ingest
from bench.pages import HEAD, put_part, write_part
from bench.peak import KIBIBYTE, Peak, parents, proportional_bytes, with_descendants


def corpus(folder: Path, name: str, texts: list[tuple[str, str]]) -> Path:
    target = folder / name
    target.mkdir()
    rows = [{"_id": f"d{n}", "title": title, "text": text} for n, (title, text) in enumerate(texts)]
    (target / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (target / "queries.jsonl").write_text(json.dumps({"_id": "q0", "text": "asked"}))
    (target / "qrels.tsv").write_text("query\tcorpus\tscore\nq0\td0\t1\n")
    return target


def test_files_are_drawn_from_all_corpora_in_turn_and_no_text_twice(tmp_path: Path) -> None:
    one = corpus(tmp_path, "one", [("Sleep", "Rest."), ("", "Fruit."), ("", "Shared.")])
    two = corpus(tmp_path, "two", [("", "Shared."), ("", "Zebras."), ("", "  ")])
    drawn = list(ingest.draw([one, two], 6, seed=1))
    assert sorted(text for _, text in drawn) == [
        *("Fruit.\n", "Shared.\n", "Sleep\n\nRest.\n", "Zebras.\n"),
    ]
    assert len({name for name, _ in drawn}) == 4
    assert {name.split("-")[0] for name, _ in drawn[:2]} == {"one", "two"}


def test_as_many_files_are_drawn_as_are_asked_for_and_the_same_each_time(tmp_path: Path) -> None:
    one = corpus(tmp_path, "one", [("", f"Text {number}.") for number in range(9)])
    drawn = list(ingest.draw([one], 4, seed=1))
    assert len(drawn) == 4
    assert drawn == list(ingest.draw([one], 4, seed=1)) != list(ingest.draw([one], 4, seed=2))


def result(ours_s: float, others_s: list[float]) -> dict[str, Any]:
    names = ["Ragsite", "Slow", "Slower"]
    return {
        **{"commit": "abc", "processor": "P", "cores": 2, "load": 0.1, "concurrency": 1},
        **{"documents": 3, "sets": ["one", "two"]},
        "contestants": [
            {
                **{"name": name, "chunks": 100, "seconds": seconds},
                **{"peak_mib": 512.4, "last_is_found": name != "Slower"},
            }
            for name, seconds in zip(names, [ours_s, *others_s], strict=False)
        ],
    }


def test_the_page_compares_with_the_faster_of_the_others() -> None:
    page = ingest.markdown(result(10, [30, 40]), "python -m bench.ingest")
    assert "| Ragsite | 10.0 | 10.0 | 512 | yes |" in page
    assert "| Slower | 2.5 | 40.0 | 512 | **no** |" in page
    assert "3.00 times the chunks a second of Slow, the faster one; at least 2 times: yes." in page


def test_the_page_says_when_the_target_is_missed() -> None:
    page = ingest.markdown(result(30, [30, 40]), "python -m bench.ingest")
    assert (
        "1.00 times the chunks a second of Slow, the faster one; at least 2 times: **no**" in page
    )


def test_without_the_others_nothing_is_compared() -> None:
    assert "times the chunks" not in ingest.markdown(result(30, []), "python -m bench.ingest")


# ---- parts of a page -----------------------------------------------------------------------------


def test_each_part_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    for name, part in (("a", "first"), ("b", "second \\1"), ("a", "third")):
        write_part(path, name, part)
    page = path.read_text()
    assert page.startswith(HEAD)
    assert "first" not in page
    assert page.index("third") < page.index("second \\1")
    assert put_part(page, "b", "second \\1") == page


# ---- memory --------------------------------------------------------------------------------------


def test_descendants_are_found_however_deep() -> None:
    assert with_descendants([1], {2: 1, 3: 2, 4: 9, 5: 3}) == {1, 2, 3, 5}


def test_a_child_is_known_by_its_parent_and_its_memory_is_counted() -> None:
    hold = "import sys; held = b'x' * 50_000_000; print(flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdout.readline()
        assert parents()[child.pid] == os.getpid()
        with Peak([child.pid]) as peak:
            pass
        assert 50_000_000 < peak.bytes < 200_000_000
        assert peak.mib == pytest.approx(peak.bytes / KIBIBYTE**2)
    finally:
        child.communicate()
    assert proportional_bytes(child.pid) == 0
