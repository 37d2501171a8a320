"""Archives: what is in them, and that nothing in them leads anywhere or grows without end."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.parsing import unpacking
from documents.parsing.base import ParseError, ParserContext
from documents.parsing.runner import run_job
from documents.parsing.unpacking import Member, Unpacked, members_in, unpacked_in

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 1024 * 1024


def archive(path: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def listed(path: Path) -> list[Member]:
    return members_in(unpacking.run(path, {}, ParserContext()))


def taken(path: Path, *positions: int, max_bytes: int = MEBIBYTE) -> list[Unpacked]:
    options = {"positions": list(positions), "max_bytes": max_bytes}
    return list(unpacked_in(unpacking.run(path, options, ParserContext()), positions))


def refused(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        listed(path)
    return caught.value.code


# ---- through the limited program ------------------------------------------------------------
def test_the_limited_program_lists_and_unpacks(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"Health/Sleep/nap.md": "Nap early.", "b.txt": "B"})
    members = members_in(run_job(path, "unpack", {}))
    assert [(m.filename, m.folders) for m in members] == [
        ("nap.md", ("Health", "Sleep")),
        ("b.txt", ()),
    ]
    message = run_job(path, "unpack", {"positions": [1, 0], "max_bytes": 100})
    assert [found.data for found in unpacked_in(message, [1, 0])] == [b"B", b"Nap early."]


def test_what_is_wrong_with_an_archive_comes_back_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ParseError) as caught:
        run_job(path, "unpack", {})
    assert caught.value.code == "truncated"


# ---- names ----------------------------------------------------------------------------------
def test_folders_and_what_systems_leave_behind_are_no_files(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = dict.fromkeys(
        ("a/", "a/b.md", "__MACOSX/a/._b.md", "a/.DS_Store", "Thumbs.db", "a/~$b.docx"), "x"
    )
    assert [member.name for member in listed(archive(tmp_path / "a.zip", files))] == ["a/b.md"]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.md",
        "/etc/passwd.md",
        "..\\..\\etc\\passwd.md",
        "C:\\etc\\passwd.md",
        "./etc//passwd.md",
    ],
)
def test_a_name_leads_nowhere(tmp_path: Path, name: str) -> None:
    (member,) = listed(archive(tmp_path / "a.zip", {name: "x"}))
    assert member.name == "etc/passwd.md"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "big5"])
def test_names_without_a_mark_are_read_in_the_packers_encoding(
    tmp_path: Path, encoding: str
) -> None:
    names = ["健康/怎样才能睡得更好.md", "健康/我们的饮食和运动.md"]
    if encoding == "big5":
        names = ["健康/怎樣才能睡得更好.md", "健康/我們的飲食和運動.md"]
    # The writer marks every name that is not ASCII, so the mark is taken away again.
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for number, name in enumerate(names):
            length = len(name.encode(encoding))
            file.writestr(f"{number}".rjust(length, "n"), "x")
    data = packed.getvalue()
    for number, name in enumerate(names):
        raw = name.encode(encoding)
        data = data.replace(f"{number}".rjust(len(raw), "n").encode(), raw)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert [member.name for member in listed(path)] == names


@given(st.text(max_size=60))
def test_whatever_a_name_is_it_can_be_shown_and_is_no_way_out(name: str) -> None:
    shown = unpacking._shown(name)
    assert shown
    assert shown.isprintable()
    assert not shown.startswith("/")
    assert ".." not in shown.split("/")


# ---- traps ----------------------------------------------------------------------------------
def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(11):
            packed.writestr(f"{number}.txt", b"0" * (10 * MEBIBYTE))
    assert refused(path) == "archive_bomb"


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a.txt": "x" * 100, "b.txt": "y" * 100})
    data = bytearray(path.read_bytes())
    second = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)  # it begins where the first one does
    path.write_bytes(data)
    assert refused(path) == "archive_bomb"


def test_a_file_that_is_larger_than_it_says_is_not_taken(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a.txt": b"0" * MEBIBYTE})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rfind(b"PK\x01\x02") + 24, 10)
    path.write_bytes(data)
    (found,) = taken(path, 0)
    assert (found.code in {"archive_bomb", "truncated"}, found.data) == (True, b"")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_FILES", 3)
    files: dict[str, bytes | str] = {f"{number}.txt": "x" for number in range(4)}
    assert refused(archive(tmp_path / "a.zip", files)) == "archive_too_many"


def test_an_archive_without_files_is_empty(tmp_path: Path) -> None:
    assert refused(archive(tmp_path / "a.zip", {"folder/": ""})) == "archive_empty"


def test_what_cannot_be_taken_has_its_own_reason_and_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link.md")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(link, "/etc/passwd")
        packed.writestr("inner.zip", "x")
        packed.writestr("locked.md", "secret")
        packed.writestr("good.md", "Good.")
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        entry = data.rfind(b"locked.md", 0, data.rfind(b"PK\x05\x06"))
        entry = data.find(b"locked.md") if flags == 6 else entry
        data[data.rfind(mark, 0, entry) + flags] |= 1
    path.write_bytes(data)
    assert {member.name: member.code for member in listed(path)} == {
        "link.md": "archive_link",
        "inner.zip": "archive_nested",
        "locked.md": "encrypted",
        "good.md": "",
    }
    locked, good = taken(path, 2, 3)
    assert (locked.code, locked.data) == ("encrypted", b"")
    assert (good.code, good.data) == ("", b"Good.")


def test_a_damaged_file_and_one_over_the_limit_harm_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("damaged.md", "Sleep at the same hour.")
        packed.writestr("large.md", "x" * 2000)
        packed.writestr("good.md", "Good.")
    path.write_bytes(path.read_bytes().replace(b"same hour", b"SAME hour"))
    found = taken(path, 0, 1, 2, max_bytes=1000)
    assert [each.code for each in found] == ["truncated", "too_large", ""]


def test_a_file_that_wants_more_memory_than_there_is_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("greedy.md", "Sleep.", zipfile.ZIP_LZMA)
        packed.writestr("good.md", "Good.")
    data = bytearray(path.read_bytes())
    properties = data.find(b"greedy.md") + len(b"greedy.md") + 4
    struct.pack_into("<I", data, properties + 1, 0xFFFF_FFFF)  # bytes of its dictionary
    path.write_bytes(data)
    message = run_job(path, "unpack", {"positions": [0, 1], "max_bytes": 100})
    assert [found.code for found in unpacked_in(message, [0, 1])] == ["memory", ""]


# ---- what the program wrote is not believed -------------------------------------------------
@pytest.mark.parametrize(
    "message",
    [b"", b"{}", b"[[0]]", b'[[-1,"a",1,""]]', b'[[0,"a",1,""],[0,"b",1,""]]', b"[[0,1,2,3]]"],
)
def test_a_listing_that_cannot_be_is_a_crash(message: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        members_in(message)
    assert caught.value.code == "crashed"


@pytest.mark.parametrize("cut", [1, 5, 14])
def test_output_that_is_cut_short_or_not_what_was_asked_for_is_a_crash(
    tmp_path: Path, cut: int
) -> None:
    path = archive(tmp_path / "a.zip", {"a.md": "x"})
    message = unpacking.run(path, {"positions": [0], "max_bytes": 10}, ParserContext())
    with pytest.raises(ParseError):
        list(unpacked_in(message[:-cut], [0]))
    with pytest.raises(ParseError):
        list(unpacked_in(message, [1]))
