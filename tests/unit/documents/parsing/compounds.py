"""A writer of OLE compound files: as much of the format as the tests of its readers need."""

from __future__ import annotations

import struct
from itertools import pairwise

SECTOR = 512
FREE, END, FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(streams: dict[str, bytes]) -> bytes:
    """A file with these streams; ``folder/name`` stands in a folder. Streams are made long enough
    (4096 bytes, by NUL) to be stored in sectors of their own."""
    padded = {name: data.ljust(4096, b"\x00") for name, data in streams.items()}
    entries: list[list[object]] = [["Root Entry", 5, FREE, END, 0]]
    folders: dict[str, list[int]] = {"": []}
    sectors: list[bytes] = []
    fat: list[int] = []
    for name, data in padded.items():
        folder, _, leaf = name.rpartition("/")
        if folder not in folders:
            folders[folder] = []
            folders[""].append(len(entries))
            entries.append([folder, 1, FREE, 0, 0])
        folders[folder].append(len(entries))
        entries.append([leaf, 2, FREE, len(sectors), len(data)])
        count = -(-len(data) // SECTOR)
        fat += [*range(len(sectors) + 1, len(sectors) + count), END]
        padding = data.ljust(count * SECTOR, b"\x00")
        sectors += [padding[i * SECTOR : (i + 1) * SECTOR] for i in range(count)]
    directory = _directory(entries, folders)
    first_directory = len(sectors)
    count = -(-len(directory) // SECTOR)
    fat += [*range(first_directory + 1, first_directory + count), END]
    sectors += [directory[i * SECTOR : (i + 1) * SECTOR] for i in range(count)]
    fat_count = 1
    while (len(fat) + fat_count) * 4 > fat_count * SECTOR:
        fat_count += 1
    first_fat = len(sectors)
    fat += [FAT_SECTOR] * fat_count
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(fat_count * SECTOR, b"\xff")
    sectors += [table[i * SECTOR : (i + 1) * SECTOR] for i in range(fat_count)]
    places = [first_fat + i for i in range(fat_count)] + [FREE] * (109 - fat_count)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, fat_count, first_directory, 0, 4096, END, 0, END, 0)
    return header + struct.pack("<109I", *places) + b"".join(sectors)


def _directory(entries: list[list[object]], folders: dict[str, list[int]]) -> bytes:
    siblings = [FREE] * len(entries)
    children = [FREE] * len(entries)
    for folder, members in folders.items():
        owner = next(i for i, entry in enumerate(entries) if entry[0] == (folder or "Root Entry"))
        members.sort(key=lambda i: (len(str(entries[i][0])), str(entries[i][0]).upper()))
        children[owner] = members[0] if members else FREE
        for before, after in pairwise(members):
            siblings[before] = after
    data = b""
    for index, (name, kind, left, start, size) in enumerate(entries):
        raw = (str(name) + "\x00").encode("utf-16-le")
        data += raw.ljust(64, b"\x00") + struct.pack("<HBB", len(raw), kind, 1)
        data += struct.pack("<III", left, siblings[index], children[index])
        data += bytes(36) + struct.pack("<IQ", start, size)
    return data.ljust(-(-len(data) // SECTOR) * SECTOR, b"\x00")
