"""What of a folder is taken, and what is passed over and why."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.folders import FoundFile, Skipped, Unreadable, printable, walk


def names(folder: Path) -> list[str]:
    return [found.name for found in walk(folder) if isinstance(found, FoundFile)]


def reasons(folder: Path) -> dict[str, str]:
    return {found.name: found.reason for found in walk(folder) if isinstance(found, Skipped)}


def test_files_of_all_depths_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.txt", "a/deep/er/one.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(tmp_path) == ["a/deep/er/one.pdf", "a/z.txt", "b.md"]


def test_one_file_gives_itself(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text("x")
    assert names(tmp_path / "one.md") == ["one.md"]


def test_hidden_files_and_folders_are_passed_over_once_each(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.txt").write_text("x")
    (tmp_path / ".secret.md").write_text("x")
    assert names(tmp_path) == []
    assert reasons(tmp_path) == {".git": "hidden", ".secret.md": "hidden"}


def test_links_out_of_the_folder_are_passed_over_and_those_inside_taken(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "one.md").write_text("x")
    (inside / "away.md").symlink_to(outside / "one.md")
    (inside / "folder").symlink_to(outside)
    (inside / "near.md").symlink_to("one.md")
    (inside / "nowhere.md").symlink_to("gone.md")
    (inside / "ring").symlink_to(".")
    (inside / "itself").symlink_to("itself")
    assert names(inside) == ["near.md", "one.md"]
    assert reasons(inside) == {
        "away.md": "link_out",
        "folder": "link_out",
        "nowhere.md": "link_broken",
        "ring": "link_folder",
        "itself": "link_broken",
    }


def test_a_folder_whose_name_begins_like_the_given_one_is_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in-other").mkdir()
    (tmp_path / "in-other" / "one.md").write_text("x")
    (tmp_path / "in" / "link.md").symlink_to(tmp_path / "in-other" / "one.md")
    assert reasons(tmp_path / "in") == {"link.md": "link_out"}


def test_a_pipe_is_passed_over_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert reasons(tmp_path) == {"pipe.txt": "special"}


def test_a_folder_that_cannot_be_listed_is_said_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.md").write_text("x")
    scan = os.scandir

    def refuse(folder: Path) -> object:
        if folder.name == "closed":
            raise PermissionError
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [found.name for found in walk(tmp_path) if isinstance(found, Unreadable)] == ["closed"]
    assert names(tmp_path) == ["open/one.md"]


def test_a_name_that_is_no_text_is_found_and_can_be_printed(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.txt")).write_text("x")
    (found,) = walk(tmp_path)
    assert found.name == "caf\ufffd\ufffd.txt"
    assert isinstance(found, FoundFile)
    assert found.path.read_text() == "x"


@given(st.binary())
def test_any_name_becomes_text_on_one_line(name: bytes) -> None:
    shown = printable(os.fsdecode(name))
    assert shown.encode().decode() == shown
    assert len(shown.splitlines()) <= 1


@given(st.sets(st.sampled_from("abc"), min_size=1))
def test_each_file_is_found_once_whatever_links_to_it(linked: set[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "one.md").write_text("x")
        for name in linked:
            (folder / name).symlink_to(".")
        assert names(folder) == ["one.md"]
