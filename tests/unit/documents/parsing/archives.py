"""Files that are a ZIP of XML parts, written by hand so that a test shows what is in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{}</Types>'
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    "{}</Relationships>"
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_CORE = (
    '<cp:coreProperties xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/">{}</cp:coreProperties>'
)
CORE = _CORE.format(
    "<dc:title>The title</dc:title><dc:creator>A. B.</dc:creator><dc:language>en-GB</dc:language>"
    "<dcterms:modified>2024-05-01T10:00:00Z</dcterms:modified>"
)


def zipped(path: Path, parts: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def types(kind: str) -> str:
    """The table of contents of an Office file of this kind."""
    return _TYPES.format(f'<Override PartName="/main.xml" ContentType="application/{kind}.main"/>')


def relations(**targets: tuple[str, str]) -> str:
    """``id=(last word of the type, target)``."""
    return _RELATIONS.format(
        "".join(
            f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
            for key, (kind, target) in targets.items()
        )
    )


def cell(place: str, value: str | float) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def workbook(
    path: Path, sheets: dict[str, str], more: dict[str, str | bytes] | None = None
) -> Path:
    """An XLSX file: the XML inside each sheet's rows by the sheet's name."""
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in enumerate(names, 1)
    )
    targets = {f"r{i}": ("worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(names) + 1)}
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": types("spreadsheetml.sheet"),
        "_rels/.rels": relations(r1=("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(**targets),
        "docProps/core.xml": CORE,
    }
    for i, name in enumerate(names, 1):
        parts[f"xl/worksheets/sheet{i}.xml"] = (
            f'<worksheet xmlns="{_SHEET}"><sheetData>{sheets[name]}</sheetData></worksheet>'
        )
    return zipped(path, parts | (more or {}))
