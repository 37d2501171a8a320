"""Progress on a terminal is one bar that is written over, in a log a line now and then."""

from __future__ import annotations

from documents.ingesting import Entry, Ingest
from documents.terminal import MOST_NAMES, Meter, summary_lines


def test_a_terminal_gets_one_bar_that_is_written_over() -> None:
    said: list[str] = []
    meter = Meter(said.append, over=True)
    meter.show(1, 2, "1 of 2")
    meter.say("a line")
    meter.show(2, 2, "2 of 2")
    meter.end()
    bar, line, again, full, end = said
    assert bar.startswith("\r[###############---------------] 1 of 2")
    assert line == "\ra line\x1b[K\n"
    assert again.endswith("1 of 2")
    assert "[##############################] 2 of 2" in full
    assert end == "\n"


def test_a_log_gets_the_first_and_the_last_line_of_a_quick_run() -> None:
    said: list[str] = []
    meter = Meter(said.append, over=False)
    for done in range(1, 501):
        meter.show(done, 500, f"{done} of 500")
    meter.end()
    assert said[0] == "1 of 500\n"
    assert said[-1] == "500 of 500\n"
    assert len(said) < 500


def test_words_that_did_not_change_are_not_repeated() -> None:
    said: list[str] = []
    meter = Meter(said.append, over=False)
    meter.show(2, 2, "done")
    meter.show(2, 2, "done")
    assert said == ["done\n"]


def test_nothing_to_do_is_a_full_bar() -> None:
    said: list[str] = []
    Meter(said.append, over=True).show(0, 0, "0 of 0")
    assert "-" not in said[0]


def test_a_long_list_of_names_is_cut_and_the_rest_counted() -> None:
    run = Ingest([Entry(f"{n}.md", "refused", "empty") for n in range(MOST_NAMES + 3)])
    lines = list(summary_lines(run))
    assert lines[-1] == "  and 3 more"
    assert f"empty ({MOST_NAMES + 3})" in lines[2]


def test_failures_are_ordered_by_how_often_they_come() -> None:
    run = Ingest(
        [
            Entry("a", "refused", "empty"),
            Entry("b", "stored", "encrypted", 1, 1, "failed"),
            Entry("c", "refused", "encrypted"),
            Entry("d", "known", "superseded", 2, 2, "cancelled"),
        ]
    )
    assert run.failures() == {"encrypted": ["b", "c"], "empty": ["a"]}
