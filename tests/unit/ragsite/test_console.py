"""One log of many processes."""

from __future__ import annotations

import io
import threading

from ragsite.embedded.console import KEPT_LINES, Console, kept_lines


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_line_has_the_name_of_its_process_before_it() -> None:
    out = io.StringIO()
    Console(out).say("one\ntwo", name="web")
    assert out.getvalue() == "web      | one\nweb      | two\n"


def test_lines_of_a_source_are_passed_on_and_the_last_are_kept() -> None:
    out, kept = io.StringIO(), kept_lines()
    source = io.BytesIO(b"".join(b"line %d\n" % n for n in range(KEPT_LINES + 3)))
    Console(out).follow("beat", source, kept).join()
    assert len(out.getvalue().splitlines()) == KEPT_LINES + 3
    assert kept[0] == "line 3"
    assert kept[-1] == f"line {KEPT_LINES + 2}"


def test_a_quiet_source_is_kept_and_not_shown() -> None:
    out, kept = io.StringIO(), kept_lines()
    Console(out).follow("redis", io.BytesIO(b"banner\n"), kept, quiet=True).join()
    assert out.getvalue() == ""
    assert list(kept) == ["banner"]


def test_bytes_that_are_no_text_do_not_end_the_log() -> None:
    out = io.StringIO()
    Console(out).follow("web", io.BytesIO(b"\xff\xfe\nnext\n"), kept_lines()).join()
    assert out.getvalue().endswith("web      | next\n")


def _say_often(console: Console, text: str) -> None:
    for _ in range(50):
        console.say(text * 50)


def test_lines_of_several_writers_stay_whole() -> None:
    out = io.StringIO()
    console = Console(out)
    writers = [threading.Thread(target=_say_often, args=(console, str(n))) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert all(len(set(line.partition("| ")[2])) == 1 for line in out.getvalue().splitlines())


def test_colours_are_for_terminals() -> None:
    plain, terminal = io.StringIO(), _Terminal()
    Console(plain).say("x")
    Console(terminal).say("x")
    assert "\x1b" not in plain.getvalue()
    assert "\x1b" in terminal.getvalue()


def test_a_reader_that_went_away_does_not_stop_the_stack() -> None:
    out = io.StringIO()
    console = Console(out)
    out.close()
    console.say("nobody reads this")
