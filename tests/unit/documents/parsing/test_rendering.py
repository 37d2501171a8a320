"""A page of a PDF as a picture."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from documents.parsing import rendering
from documents.parsing.base import ParseError, ParserContext
from documents.parsing.runner import run_job
from tests.unit.documents.parsing.builders import pdf, write_lines


def draw(canvas: Canvas) -> None:
    canvas.rect(0, 300, 400, 300, fill=1)
    canvas.showPage()
    write_lines(canvas, ["The second page"], top=500)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file.pdf"
    path.write_bytes(data)
    return path


def shown(message: bytes) -> tuple[dict[str, float], Image.Image]:
    header, _, data = message.partition(b"\n")
    return json.loads(header), Image.open(io.BytesIO(data))


def shade(picture: Image.Image, x: int, y: int) -> float:
    """From 0, black, to 255."""
    found = picture.convert("L").getpixel((x, y))
    assert isinstance(found, int | float)
    return found


def test_a_page_is_drawn_as_wide_as_asked_and_says_its_size_in_points(tmp_path: Path) -> None:
    path = written(tmp_path, pdf(draw))

    header, picture = shown(rendering.run(path, {"page": 1, "width": 800}, ParserContext()))

    assert header == {"width": 400, "height": 600}
    assert picture.format == "WEBP"
    assert picture.size == (800, 1200)
    # Its upper half is black.
    assert shade(picture, 400, 200) < 30
    assert shade(picture, 400, 1000) > 225


def test_a_turned_page_is_drawn_as_it_is_shown(tmp_path: Path) -> None:
    def turned(canvas: Canvas) -> None:
        canvas.setPageSize((600, 400))
        canvas.setPageRotation(90)
        canvas.rect(0, 0, 100, 400, fill=1)

    header, picture = shown(
        rendering.run(written(tmp_path, pdf(turned)), {"page": 1, "width": 400}, ParserContext())
    )

    width, height = header["width"], header["height"]
    assert picture.size == (400, round(400 * height / width))
    # What stood at the left edge is at the top.
    assert shade(picture, 200, 20) < 30
    assert shade(picture, 200, picture.size[1] - 20) > 225


def test_what_is_filled_into_a_form_is_drawn(tmp_path: Path) -> None:
    def form(canvas: Canvas) -> None:
        canvas.acroForm.textfield(
            name="name", x=50, y=500, width=300, height=40, value="MMMMMMMM", borderWidth=0
        )

    path = written(tmp_path, pdf(form))
    _, picture = shown(rendering.run(path, {"page": 1, "width": 400}, ParserContext()))

    inside = picture.convert("L").crop((55, 65, 345, 95))
    assert min(inside.tobytes()) < 100


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_page_that_is_not_there_has_its_code(tmp_path: Path, number: int) -> None:
    path = written(tmp_path, pdf(draw))

    with pytest.raises(ParseError) as caught:
        rendering.run(path, {"page": number, "width": 800}, ParserContext())

    assert caught.value.code == "no_page"


def test_a_banner_is_drawn_with_fewer_dots(tmp_path: Path) -> None:
    def banner(canvas: Canvas) -> None:
        canvas.setPageSize((100, 14_000))
        canvas.rect(0, 0, 50, 50, fill=1)

    path = written(tmp_path, pdf(banner))

    _, picture = shown(rendering.run(path, {"page": 1, "width": 90_000}, ParserContext()))

    assert picture.size[0] * picture.size[1] <= 1.01 * rendering.MOST_PIXELS


def test_the_limited_program_draws_it_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, pdf(draw))
    options = {"page": 2, "width": 300}

    assert run_job(path, "render", options) == rendering.run(path, options, ParserContext())


def test_a_damaged_file_ends_the_job_with_its_code(tmp_path: Path) -> None:
    path = written(tmp_path, pdf(draw)[:400])

    with pytest.raises(ParseError) as caught:
        run_job(path, "render", {"page": 1, "width": 300})

    assert caught.value.code == "truncated"
