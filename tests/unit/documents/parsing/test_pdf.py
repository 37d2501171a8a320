from __future__ import annotations

from pathlib import Path

import pytest
from reportlab.lib import pdfencrypt
from reportlab.pdfgen.canvas import Canvas

from documents.parsing.base import ParseError, ParserContext
from tests.unit.documents.parsing.builders import (
    chinese_font,
    kinds_and_texts,
    parse,
    pdf,
    write_lines,
)

BODY = [
    "Sleep is a basic need of the human body and mind, as all",
    "studies of the last decades have shown without a doubt, and",
    "so it is good to rest.",
]


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file.pdf"
    path.write_bytes(data)
    return path


def code_of(path: Path, context: ParserContext | None = None) -> str:
    with pytest.raises(ParseError) as caught:
        parse(path, context)
    return caught.value.code


def test_headings_are_told_by_size_and_paragraphs_by_distance(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, ["Sleep guide"], top=550, size=20)
        write_lines(canvas, BODY, top=500)
        write_lines(canvas, ["Tips"], top=440, size=14)
        write_lines(canvas, BODY, top=420)
        write_lines(canvas, BODY, top=360)

    parsed = parse(written(tmp_path, pdf(draw)))

    body = "\n".join(BODY)
    assert kinds_and_texts(parsed) == [
        ("heading", "Sleep guide"),
        ("paragraph", body),
        ("heading", "Tips"),
        ("paragraph", body),
        ("paragraph", body),
    ]
    assert [block.level for block in parsed.blocks] == [1, 0, 2, 0, 0]
    assert parsed.blocks[3].heading_path == ("Sleep guide", "Tips")
    assert parsed.title == "Sleep guide"


def test_a_bold_line_by_itself_is_a_heading(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, ["What to do"], top=550, font="Helvetica-Bold")
        write_lines(canvas, BODY, top=535)

    assert parse(written(tmp_path, pdf(draw))).blocks[0].kind == "heading"


def test_lines_carry_their_page_and_box_from_the_lower_left_corner(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, ["First page"], top=500)
        canvas.showPage()
        write_lines(canvas, ["Second page"], top=300)

    parsed = parse(written(tmp_path, pdf(draw)))

    assert parsed.page_count == 2
    first, second = parsed.lines
    assert parsed.text[second.start : second.end] == "Second page"
    assert (first.page, second.page) == (1, 2)
    left, bottom, right, top = second.box
    assert left == pytest.approx(50, abs=2)
    assert 295 < bottom < 301 < top < 312
    assert 90 < right < 130


def test_list_marks_start_items(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, ["Do this every day of the week:", "- rest", "- walk"], top=500)

    assert kinds_and_texts(parse(written(tmp_path, pdf(draw)))) == [
        ("paragraph", "Do this every day of the week:"),
        ("list_item", "- rest"),
        ("list_item", "- walk"),
    ]


def test_a_word_parted_at_the_line_end_is_joined(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, ["all of the neuro-", "biology of sleep"], top=500)

    assert "neurobiology" in parse(written(tmp_path, pdf(draw))).text


def test_chinese_lines_are_joined_without_a_gap(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(
            canvas, ["睡眠障碍的神经生物学机", "制研究进展很快"], top=500, font=chinese_font()
        )

    parsed = parse(written(tmp_path, pdf(draw)))

    assert parsed.text == "睡眠障碍的神经生物学机制研究进展很快"
    assert parsed.language == "zh"
    assert [line.page for line in parsed.lines] == [1, 1]


def test_running_heads_and_page_numbers_are_left_out(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(1, 6):
            write_lines(canvas, ["Annual report"], top=580)
            write_lines(canvas, [f"Chapter {'ABCDE'[number - 1]} has its own words."], top=400)
            write_lines(canvas, [f"Page {number} of 5"], top=20)
            if number < 5:
                canvas.showPage()

    text = parse(written(tmp_path, pdf(draw))).text

    assert "Annual report" not in text
    assert "of 5" not in text
    assert text.count("has its own words.") == 5


def test_a_running_head_of_one_chapter_and_page_numbers_in_roman_are_left_out(
    tmp_path: Path,
) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(8):
            chapter = "The sea" if number < 4 else "The shore"
            write_lines(canvas, [chapter], top=580)
            write_lines(canvas, [f"{'ABCDEFGH'[number]} page of its own words."], top=400)
            write_lines(canvas, [["i", "ii", "iii", "iv", "v", "vi", "vii", "viii"][number]], top=9)
            if number < 7:
                canvas.showPage()

    text = parse(written(tmp_path, pdf(draw))).text

    assert "The sea" not in text
    assert "viii" not in text
    assert text.count("of its own words.") == 8


def test_an_amount_at_the_foot_of_each_page_is_no_page_number(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(5):
            write_lines(canvas, [f"{'ABCDE'[number]} statement of this month."], top=400)
            write_lines(canvas, [f"Balance 1,{number}34.50"], top=20)
            if number < 4:
                canvas.showPage()

    text = parse(written(tmp_path, pdf(draw))).text

    assert "1,034.50" in text
    assert "1,434.50" in text


def test_the_first_head_of_a_short_document_stays(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in (1, 2):
            write_lines(canvas, ["Acme Ltd, confidential"], top=580)
            write_lines(canvas, [f"{'AB'[number - 1]} page of its own words."], top=400)
            write_lines(canvas, [f"{number}"], top=20)
            if number < 2:
                canvas.showPage()

    text = parse(written(tmp_path, pdf(draw))).text

    assert text.startswith("Acme Ltd, confidential")
    assert text.count("Acme") == 1
    assert not any(character.isdigit() for character in text)


def test_a_sentence_goes_on_overleaf_past_foot_and_head(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(1, 5):
            write_lines(canvas, ["The annual report"], top=580)
            first = f"{'abcd'[number - 1]} whole year of it, and so it goes"
            write_lines(canvas, [first, f"on with {'wxyz'[number - 1]} and without"], top=400)
            write_lines(canvas, [f"{number}"], top=20)
            if number < 4:
                canvas.showPage()

    parsed = parse(written(tmp_path, pdf(draw)))

    assert len(parsed.blocks) == 1
    assert "on with w and without\nb whole year of it" in parsed.text
    assert parsed.blocks[0].page == 1
    assert [line.page for line in parsed.lines] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_two_columns_are_read_one_after_the_other_however_they_are_drawn(tmp_path: Path) -> None:
    left = [f"the left column of text has the line {number}" for number in range(8)]
    right = [f"the right column of it has the line {number}" for number in range(8)]

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            canvas.drawString(30, 500 - 12 * number, one)
            canvas.drawString(220, 500 - 12 * number, other)

    assert parse(written(tmp_path, pdf(draw))).text.split("\n") == [*left, *right]


def test_a_table_is_kept_as_rows(tmp_path: Path) -> None:
    rows = [("Country", "Capital", "People"), ("Austria", "Vienna", "9"), ("Chad", "Ndjamena", "8")]

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                canvas.drawString(50 + 90 * column, 500 - 14 * number, cell)

    assert kinds_and_texts(parse(written(tmp_path, pdf(draw)))) == [
        ("table_row", " | ".join(row)) for row in rows
    ]


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, "top"), (90, "right"), (180, "bottom"), (270, "left")]
)
def test_boxes_are_those_of_the_page_as_it_is_shown(
    tmp_path: Path, rotation: int, corner: str
) -> None:
    """The text stands upright in the page's space, so it is shown turned with the page."""

    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(rotation)
        # The page is shown 400 points wide and 600 high, however it is turned.
        upper = 600 if rotation in (0, 180) else 400
        write_lines(canvas, ["The first line of it", "and the second one"], top=upper - 20)

    parsed = parse(written(tmp_path, pdf(draw)))
    left, bottom, right, top = parsed.lines[0].box

    assert parsed.text == "The first line of it\nand the second one"
    distances = {"top": 600 - top, "right": 400 - right, "bottom": bottom, "left": left}
    assert distances[corner] == pytest.approx(12, abs=3)
    assert distances[corner] == min(distances.values())


def test_a_stamp_up_the_margin_is_no_heading(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.saveState()
        canvas.rotate(90)
        canvas.setFont("Helvetica", 20)
        canvas.drawString(100, -30, "arXiv 2203.00274")
        canvas.restoreState()
        write_lines(canvas, BODY, top=500)

    assert kinds_and_texts(parse(written(tmp_path, pdf(draw)))) == [
        ("paragraph", "\n".join(BODY)),
        ("paragraph", "arXiv 2203.00274"),
    ]


def test_what_is_filled_into_a_form_is_read_after_its_label(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write_lines(canvas, ["Name:"], top=500)
        write_lines(canvas, ["City:"], top=470)
        write_lines(canvas, ["Signed below by hand, in ink and in person"], top=440)
        form = canvas.acroForm
        form.textfield(name="city", x=90, y=465, width=120, height=16, value="Malmö")
        form.textfield(name="name", x=90, y=495, width=120, height=16, value="Ada Lovelace")
        form.textfield(name="empty", x=90, y=400, width=120, height=16, value="")
        form.textfield(
            name="pin", x=90, y=370, width=120, height=16, value="1234", fieldFlags="password"
        )

    text = parse(written(tmp_path, pdf(draw))).text

    signed = "Signed below by hand, in ink and in person"
    assert [line for line in text.split("\n") if line] == [
        "Name: | Ada Lovelace",
        "City: | Malmö",
        signed,
    ]


def test_title_and_author_come_from_the_files_properties(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setTitle("The title")
        canvas.setAuthor("A. B.")
        write_lines(canvas, BODY, top=500)

    parsed = parse(written(tmp_path, pdf(draw)))

    assert (parsed.title, parsed.author) == ("The title", "A. B.")
    assert parsed.metadata["created"].startswith("D:")


@pytest.mark.parametrize("title", ["untitled", "Microsoft Word - draft3", "scan0001.pdf"])
def test_a_title_that_a_program_made_up_is_not_taken(tmp_path: Path, title: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setTitle(title)
        write_lines(canvas, BODY, top=500)

    assert parse(written(tmp_path, pdf(draw))).title == ""


def test_a_file_that_asks_for_a_password_is_encrypted(tmp_path: Path) -> None:
    locked = pdfencrypt.StandardEncryption("secret", "owner")

    data = pdf(lambda canvas: write_lines(canvas, BODY, top=500), encrypt=locked)

    assert code_of(written(tmp_path, data)) == "encrypted"


def test_a_file_that_only_its_owner_may_change_is_read(tmp_path: Path) -> None:
    readable = pdfencrypt.StandardEncryption("", "owner")

    data = pdf(lambda canvas: write_lines(canvas, BODY, top=500), encrypt=readable)

    assert "basic need" in parse(written(tmp_path, data)).text


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_stops_early_is_truncated(tmp_path: Path, share: float) -> None:
    data = pdf(lambda canvas: write_lines(canvas, BODY, top=500))

    assert code_of(written(tmp_path, data[: int(share * len(data))])) == "truncated"


def test_a_file_with_an_end_but_no_structure_is_truncated(tmp_path: Path) -> None:
    assert code_of(written(tmp_path, b"%PDF-1.4\nnothing here\n%%EOF")) == "truncated"


def test_a_file_padded_at_its_end_is_read(tmp_path: Path) -> None:
    data = pdf(lambda canvas: write_lines(canvas, BODY, top=500))

    assert "basic need" in parse(written(tmp_path, data + bytes(5000))).text


def test_a_blank_page_has_no_text(tmp_path: Path) -> None:
    data = pdf(lambda canvas: None)

    assert code_of(written(tmp_path, data)) == "no_text"


def test_more_pages_than_allowed_are_too_large(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for _ in range(4):
            write_lines(canvas, BODY, top=500)
            canvas.showPage()

    path = written(tmp_path, pdf(draw))

    assert code_of(path, ParserContext(max_pages=3)) == "too_large"
