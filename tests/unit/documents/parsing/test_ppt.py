from __future__ import annotations

import struct
from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from tests.unit.documents.parsing.builders import kinds_and_texts, parse
from tests.unit.documents.parsing.compounds import compound

TITLE, BODY, NOTES, OTHER = 0, 1, 2, 4


def record(kind: int, data: bytes, *, instance: int = 0, container: bool = False) -> bytes:
    return struct.pack("<HHI", instance << 4 | (0xF if container else 0), kind, len(data)) + data


def text(kind: int, words: str, *, wide: bool = True) -> bytes:
    data = record(0x0FA0, words.encode("utf-16-le")) if wide else record(0x0FA8, words.encode())
    return record(0x0F9F, struct.pack("<I", kind)) + data


def place(reference: int, identifier: int) -> bytes:
    return record(0x03F3, struct.pack("<IIiII", reference, 0, 0, identifier, 0))


def presentation(
    slides: list[tuple[bytes, bytes, bytes]], *, token: int = 0xE391C05F
) -> dict[str, bytes]:
    """Streams of a file; of each slide what the outline, the shapes and the notes hold."""
    outline = notes_list = b""
    records: list[bytes] = []
    for number, (listed, shapes, notes) in enumerate(slides, start=1):
        notes_id = 500 + number if notes else 0
        outline += place(10 + number, 100 + number) + listed
        atom = record(0x03EF, bytes(16) + struct.pack("<I", notes_id) + bytes(4))
        box = record(0xF00D, shapes, container=True)
        records.append(record(0x03EE, atom + box, container=True))
        if notes:
            notes_list += place(60 + number, notes_id)
            records.append(record(0x03F0, record(0xF00D, notes, container=True), container=True))
    lists = record(0x0FF0, outline, container=True)
    lists += record(0x0FF0, notes_list, instance=2, container=True)
    data = b""
    offsets = {}
    numbers = [n for number, slide in enumerate(slides, 1) for n in (
        [10 + number, 60 + number] if slide[2] else [10 + number])]  # fmt: skip
    for number, content in zip(numbers, records, strict=True):
        offsets[number] = len(data)
        data += content
    offsets[1] = len(data)
    data += record(0x03E8, lists, container=True)
    directory = len(data)
    entries = b"".join(struct.pack("<II", 1 << 20 | n, o) for n, o in offsets.items())
    data += record(0x1772, entries)
    edit = len(data)
    data += record(0x0FF5, struct.pack("<IIIIIII", 0, 0, 0, directory, 1, 0, 0))
    user = bytes(12) + struct.pack("<II", token, edit)
    return {"PowerPoint Document": data, "Current User": user}


def read(tmp_path: Path, streams: dict[str, bytes]) -> list[tuple[str, str, int | None]]:
    path = tmp_path / "a.ppt"
    path.write_bytes(compound(streams))
    parsed = parse(path)
    pages = [block.page for block in parsed.blocks]
    return [(*found, page) for found, page in zip(kinds_and_texts(parsed), pages, strict=True)]


def code_of(tmp_path: Path, streams: dict[str, bytes]) -> str:
    with pytest.raises(ParseError) as caught:
        read(tmp_path, streams)
    return caught.value.code


def test_each_slide_is_a_page_with_its_title_first_and_its_notes_last(tmp_path: Path) -> None:
    first = (text(TITLE, "睡眠") + text(BODY, "One\rTwo"), text(OTHER, "box", wide=False), b"")
    second = (b"", text(OTHER, "words") + text(TITLE, "Diet"), text(NOTES, "say this"))

    assert read(tmp_path, presentation([first, second])) == [
        ("heading", "睡眠", 1),
        ("list_item", "One", 1),
        ("list_item", "Two", 1),
        ("paragraph", "box", 1),
        ("heading", "Diet", 2),
        ("paragraph", "words", 2),
        ("paragraph", "say this", 2),
    ]


def test_files_that_cannot_be_read_have_their_codes(tmp_path: Path) -> None:
    slides = [(text(OTHER, "words"), b"", b"")]

    assert code_of(tmp_path, presentation(slides, token=0xF3D1C4DF)) == "encrypted"
    assert code_of(tmp_path, {"PP40": b"x"}) == "outdated"
    assert code_of(tmp_path, {"Workbook": b"x"}) == "mislabelled"
    assert code_of(tmp_path, presentation(slides) | {"Current User": b""}) == "truncated"
    broken = presentation(slides)
    broken["PowerPoint Document"] = broken["PowerPoint Document"][:-40]
    assert code_of(tmp_path, broken) == "truncated"


def test_a_chain_of_saves_that_bites_its_tail_ends(tmp_path: Path) -> None:
    edit = record(0x0FF5, struct.pack("<IIIIIII", 0, 0, 0, 0, 1, 0, 0))
    looped = record(0x0FF5, struct.pack("<IIIIIII", 0, 0, len(edit), 0, 1, 0, 0))
    user = bytes(12) + struct.pack("<II", 0xE391C05F, len(edit))

    streams = {"PowerPoint Document": edit + looped, "Current User": user}

    assert code_of(tmp_path, streams) == "truncated"


def test_records_inside_records_without_end_are_refused(tmp_path: Path) -> None:
    deep = text(OTHER, "words")
    for _ in range(1_000):
        deep = record(0xF003, deep, container=True)

    assert code_of(tmp_path, presentation([(b"", deep, b"")])) == "nested"
