from __future__ import annotations

import struct
from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from documents.parsing.msg import uncompressed
from tests.unit.documents.parsing.builders import kinds_and_texts, parse
from tests.unit.documents.parsing.compounds import compound

SENT = 133_590_024_000_000_000  # ticks of a ten-millionth of a second: 1 May 2024


def fixed(codepage: int = 936) -> bytes:
    number = struct.pack("<HHIQ", 0x0003, 0x3FFD, 0, codepage)
    return bytes(32) + number + struct.pack("<HHIQ", 0x0040, 0x0039, 0, SENT)


def message() -> dict[str, bytes]:
    return {
        "__properties_version1.0": fixed(),
        "__substg1.0_0037001F": "睡眠 Sleep".encode("utf-16-le"),
        "__substg1.0_0C1A001E": "张三".encode("gbk"),
        "__substg1.0_0E04001F": "Bob".encode("utf-16-le"),
    }


def read(tmp_path: Path, streams: dict[str, bytes]) -> list[tuple[str, str]]:
    path = tmp_path / "a.msg"
    path.write_bytes(compound(streams))
    return kinds_and_texts(parse(path))


HEAD = [("heading", "睡眠 Sleep"), ("paragraph", "From: 张三\nTo: Bob\nDate: 2024-05-01")]


def test_a_message_gives_its_subject_people_date_and_text(tmp_path: Path) -> None:
    path = tmp_path / "a.msg"
    body = "Rest well.\r\n\r\nAlways.".encode("utf-16-le")
    path.write_bytes(compound(message() | {"__substg1.0_1000001F": body}))

    parsed = parse(path)

    assert kinds_and_texts(parsed) == [
        *HEAD,
        ("paragraph", "Rest well."),
        ("paragraph", "Always."),
    ]
    assert (parsed.title, parsed.author) == ("睡眠 Sleep", "张三")
    assert parsed.published is not None and parsed.published.isoformat() == "2024-05-01"


def test_without_plain_text_the_html_is_read(tmp_path: Path) -> None:
    html = "<h2>标题</h2><p>正文</p>".encode("gbk")

    # Spaces, since the writer would fill it up by NUL.
    found = read(tmp_path, message() | {"__substg1.0_10130102": html.ljust(4096)})

    assert found == [*HEAD, ("heading", "标题"), ("paragraph", "正文")]


def test_rich_text_is_read_where_there_is_nothing_else(tmp_path: Path) -> None:
    rich = b"{\\rtf1\\ansi Rest well.\\par}"
    stored = struct.pack("<IIII", len(rich) + 12, len(rich), 0x414C454D, 0) + rich

    found = read(tmp_path, message() | {"__substg1.0_10090102": stored})

    assert found == [*HEAD, ("paragraph", "Rest well.")]


def test_attachments_are_named(tmp_path: Path) -> None:
    name = "图.png".encode("utf-16-le")

    found = read(tmp_path, message() | {"__attach_version1.0_#00000000/__substg1.0_3707001F": name})

    assert found[-1] == ("paragraph", "图.png")


def test_compressed_rich_text_is_unpacked_as_the_description_shows() -> None:
    # The example of [MS-OXRTFCP], 4.1.
    data = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af3"
        "2068656c090020627705b06c647d0a800fa0"
    )

    assert uncompressed(data) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


@pytest.mark.parametrize("data", [b"", b"short", struct.pack("<IIII", 20, 20, 7, 0) + bytes(20)])
def test_rich_text_that_cannot_be_unpacked_is_told(data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        uncompressed(data)

    assert caught.value.code == "truncated"


def test_another_compound_file_is_mislabelled(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        read(tmp_path, {"Workbook": b"x"})

    assert caught.value.code == "mislabelled"
