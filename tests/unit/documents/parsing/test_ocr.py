"""Pages that are pictures: which are read, in which language, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from documents.parsing import registry
from documents.parsing.base import ParseError, ParserContext
from documents.types import ParsedDocument
from tests.unit.documents.parsing.builders import chinese_font, pdf, write_lines

HEADER = [
    *("level", "page_num", "block_num", "par_num", "line_num", "word_num"),
    *("left", "top", "width", "height", "conf", "text"),
]
DOTS_PER_POINT = 300 / 72

Word = tuple[int, str, float, float, float]
"""Line, text, left and top in points, and how sure the recogniser is in percent."""


def table(*words: Word) -> str:
    """Tesseract's TSV of words that are 6 points high and half as wide per letter."""
    rows = ["\t".join(HEADER), "1\t1\t0\t0\t0\t0\t0\t0\t1666\t2500\t-1\t"]
    for number, (line, text, left, top, sureness) in enumerate(words):
        places = (left, top, 3 * len(text), 6)
        dots = [str(round(place * DOTS_PER_POINT)) for place in places]
        rows.append(
            "\t".join(["5", "1", "1", "1", str(line), str(number), *dots, str(sureness), text])
        )
    return "\n".join(rows)


def line_of(text: str, line: int = 1, sureness: float = 95, *, top: float = 100) -> list[Word]:
    words: list[Word] = []
    left = 50.0
    for word in text.split(" "):
        words.append((line, word, left, top, sureness))
        left += 3 * len(word) + 3
    return words


@dataclass
class Fake:
    """A recogniser that gives the table of the first of the languages it is asked for."""

    tables: dict[str, str]
    asked: list[tuple[str, ...]] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)

    @property
    def languages(self) -> tuple[str, ...]:
        return ("osd", *self.tables)

    def read(self, image: bytes, languages: Sequence[str], dpi: int) -> str:
        self.asked.append(tuple(languages))
        self.images.append(image)
        answer = self.tables[languages[0]]
        if answer == "fails":
            raise ParseError("recognition")
        return answer


def drawing(canvas: Canvas) -> None:
    canvas.rect(50, 50, 200, 200, fill=1)


def parse(
    data: bytes, tmp_path: Path, recogniser: Fake | None, *, recognition_s: float = 60
) -> ParsedDocument:
    path = tmp_path / "scan.pdf"
    path.write_bytes(data)
    parser = registry.parser_for("application/pdf")
    return parser.parse(path, ParserContext(recogniser=recogniser, recognition_s=recognition_s))


def pages(*draw: str) -> bytes:
    """Pages of a drawing (``""``), or of text with a drawing."""

    def all_pages(canvas: Canvas) -> None:
        for number, text in enumerate(draw):
            if text:
                write_lines(canvas, [text], top=500)
            else:
                drawing(canvas)
            if number < len(draw) - 1:
                canvas.showPage()

    return pdf(all_pages)


LONG = "A page with a text layer that says a good deal more than a number or a stamp would."


def test_a_page_without_text_is_read_from_its_picture(tmp_path: Path) -> None:
    english = Fake({"eng": table(*line_of("Sleep well"), *line_of("at night.", 2, top=108))})

    parsed = parse(pages(""), tmp_path, english)

    assert parsed.text == "Sleep well\nat night."
    assert parsed.metadata["warning.recognised"] == "1"
    first = parsed.lines[0]
    assert first.page == 1
    # 50 points from the left, and 100 from the top of a page of 600.
    assert first.box == pytest.approx((50, 494, 80, 500), abs=0.3)


def test_pictures_are_handed_over_in_shades_of_grey_at_three_hundred_dots_per_inch(
    tmp_path: Path,
) -> None:
    english = Fake({"eng": table(*line_of("Sleep well"))})

    parse(pages(""), tmp_path, english)

    assert english.images[0].startswith(b"P5\n1667 2500\n255\n")
    assert len(english.images[0]) == len(b"P5\n1667 2500\n255\n") + 1667 * 2500


def test_pages_with_text_are_not_recognised(tmp_path: Path) -> None:
    english = Fake({"eng": table(*line_of("Sleep well"))})

    parsed = parse(pages(LONG, "", LONG), tmp_path, english)

    assert [line.page for line in parsed.lines] == [1, 2, 3]
    assert len(english.asked) == 1
    assert parsed.metadata["warning.recognised"] == "2"


def test_a_blank_page_is_neither_read_nor_missed(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, [LONG], top=500)
        canvas.showPage()

    english = Fake({"eng": table(*line_of("Sleep well"))})

    parsed = parse(pdf(draw), tmp_path, english)

    assert not english.asked
    assert not any(key.startswith("warning") for key in parsed.metadata)


def test_a_page_number_over_a_scanned_page_does_not_hide_the_scan(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.new("L", (40, 60), 90)), 0, 0, 400, 600)
        write_lines(canvas, ["Page 7"], top=20)

    english = Fake({"eng": table(*line_of("All the text of the scan"))})

    parsed = parse(pdf(draw), tmp_path, english)

    assert parsed.text.split("\n\n") == ["Page 7", "All the text of the scan"]
    assert parsed.metadata["warning.recognised"] == "1"


def test_what_the_page_says_itself_is_not_said_again(tmp_path: Path) -> None:

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.new("L", (40, 60), 90)), 0, 0, 400, 600)
        write_lines(canvas, ["The title of a book"], top=500)

    parsed = parse(pdf(draw), tmp_path, Fake({"eng": table(*line_of("Tbe title", top=92))}))

    assert parsed.text == "The title of a book"
    assert not any(key.startswith("warning") for key in parsed.metadata)


def test_without_a_recogniser_pages_that_are_pictures_are_named(tmp_path: Path) -> None:
    parsed = parse(pages("", LONG, "", "", LONG), tmp_path, None)

    assert parsed.metadata["warning.not_recognised"] == "1, 3–4"
    assert {line.page for line in parsed.lines} == {2, 5}


def test_without_a_recogniser_a_scan_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        parse(pages("", ""), tmp_path, None)

    assert caught.value.code == "needs_recognition"


def test_a_recogniser_without_a_language_is_none(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        parse(pages(""), tmp_path, Fake({}))

    assert caught.value.code == "needs_recognition"


def test_a_page_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    parsed = parse(pages(LONG, ""), tmp_path, Fake({"eng": "fails"}))

    assert parsed.metadata["warning.unreadable_pages"] == "2"


def test_pages_for_which_no_time_is_left_are_named(tmp_path: Path) -> None:
    english = Fake({"eng": table(*line_of("Sleep well"))})

    parsed = parse(pages(LONG, ""), tmp_path, english, recognition_s=0)

    assert not english.asked
    assert parsed.metadata["warning.unreadable_pages"] == "2"


def test_a_photograph_has_no_text(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        parse(pages(""), tmp_path, Fake({"eng": table(*line_of("xi ,: |l", sureness=25))}))

    assert caught.value.code == "no_text"


def test_the_language_that_is_read_for_certain_is_kept_for_the_next_pages(tmp_path: Path) -> None:
    both = Fake(
        {
            "eng": table(*line_of("HEM BAS AWE", sureness=41)),
            "chi_sim": table(*line_of("睡眠 障碍 的 神经 生物学", sureness=93)),
        }
    )

    parsed = parse(pages("", ""), tmp_path, both)

    assert both.asked == [("eng",), ("chi_sim",), ("chi_sim",)]
    assert parsed.text == "睡眠障碍的神经生物学"


def test_the_language_of_pages_with_text_is_tried_first(tmp_path: Path) -> None:
    both = Fake(
        {
            "eng": table(*line_of("Sleep", sureness=90)),
            "chi_sim": table(*line_of("睡眠 障碍", sureness=90)),
        }
    )

    def draw(canvas: Canvas) -> None:
        text = "睡眠障碍的神经生物学机制研究进展很快，这一页有足够多的文字。" * 2
        write_lines(canvas, [text], top=500, size=5, font=chinese_font())
        canvas.showPage()
        drawing(canvas)

    parse(pdf(draw), tmp_path, both)

    assert both.asked == [("chi_sim",)]


def test_specks_leave_no_text_and_no_cells(tmp_path: Path) -> None:
    words = [
        word
        for line in (1, 2, 3)
        for word in (
            (line, "Rest", 50.0, 100.0 + 8 * line, 95.0),
            (line, "~;|~;|~;|~", 65.0, 100.0 + 8 * line, 4.0),
            (line, "well.", 98.0, 100.0 + 8 * line, 95.0),
        )
    ]

    parsed = parse(pages(""), tmp_path, Fake({"eng": table(*words)}))

    assert parsed.text == "Rest well.\nRest well.\nRest well."


@pytest.mark.parametrize("answer", ["", "level\n5", "\t".join(HEADER) + "\n5\tx\ty\tz", "\x00\x01"])
def test_an_answer_that_is_no_table_is_no_text(tmp_path: Path, answer: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(pages(""), tmp_path, Fake({"eng": answer}))

    assert caught.value.code == "no_text"


def test_a_huge_page_is_read_with_fewer_dots(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageSize((14_000, 14_000))
        canvas.rect(50, 50, 9_000, 9_000, fill=1)

    english = Fake({"eng": table(*line_of("Sleep well"))})

    parse(pdf(draw), tmp_path, english)

    assert len(english.images[0]) < 10_000_000
