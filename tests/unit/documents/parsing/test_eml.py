from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def mail(subject: str = "Sleep", body: str = "Rest well.") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ann <ann@x.example>"
    message["To"] = "Bob <bob@x.example>"
    message["Date"] = "Wed, 01 May 2024 10:00:00 +0200"
    message["Subject"] = subject
    message.set_content(body)
    return message


def read(tmp_path: Path, data: bytes) -> list[tuple[str, str]]:
    path = tmp_path / "a.eml"
    path.write_bytes(data)
    return kinds_and_texts(parse(path))


HEAD = (
    "paragraph",
    "From: Ann <ann@x.example>\nTo: Bob <bob@x.example>\nDate: Wed, 01 May 2024 10:00:00 +0200",
)


def test_a_mail_gives_its_subject_people_date_and_text(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(mail("睡眠", "Rest.\n\n- early").as_bytes())

    parsed = parse(path)

    assert kinds_and_texts(parsed)[0] == ("heading", "睡眠")
    assert kinds_and_texts(parsed)[1:] == [HEAD, ("paragraph", "Rest."), ("list_item", "- early")]
    assert (parsed.title, parsed.author) == ("睡眠", "Ann <ann@x.example>")
    assert parsed.published is not None and parsed.published.isoformat() == "2024-05-01"


def test_of_two_forms_the_one_with_the_text_is_read_once(tmp_path: Path) -> None:
    short = mail(body="See the other form.")
    short.add_alternative("<h2>Title</h2><p>All of it.</p>", subtype="html")
    long = mail(body="word " * 30)
    long.add_alternative("<p>" + "word " * 30 + "</p>", subtype="html")

    assert read(tmp_path, short.as_bytes())[2:] == [
        ("heading", "Title"),
        ("paragraph", "All of it."),
    ]
    assert len(read(tmp_path, long.as_bytes())[2:]) == 1


def test_a_mail_in_a_mail_is_read_and_other_attachments_are_named(tmp_path: Path) -> None:
    outer = mail()
    outer.add_attachment(mail("Inner", "Inner text."))
    outer.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="a.png")

    found = read(tmp_path, outer.as_bytes())

    assert found[2:] == [
        ("paragraph", "Rest well."),
        ("heading", "Inner"),
        HEAD,
        ("paragraph", "Inner text."),
        ("paragraph", "a.png"),
    ]


def test_a_charset_that_lies_is_seen_through(tmp_path: Path) -> None:
    text = "睡眠是人的基本需要，我们在晚上要有七到八个小时的睡眠。"
    data = b"Subject: x\nContent-Type: text/plain; charset=us-ascii\n\n" + text.encode("gbk")

    assert read(tmp_path, data)[-1] == ("paragraph", text)


@pytest.mark.parametrize(
    "header", ["Date: never", "From: =?x?y?z?=", 'To: "a', "Content-Type: ;;;", "Subject: \xff"]
)
def test_broken_headers_cost_themselves_only(tmp_path: Path, header: str) -> None:
    data = f"MIME-Version: 1.0\n{header}\n\nRest well.".encode("latin-1")

    assert read(tmp_path, data)[-1] == ("paragraph", "Rest well.")


def test_mails_without_end_inside_each_other_are_refused(tmp_path: Path) -> None:
    message = mail()
    for _ in range(15):
        outer = mail()
        outer.add_attachment(message)
        message = outer

    with pytest.raises(ParseError) as caught:
        read(tmp_path, message.as_bytes())

    assert caught.value.code == "nested"


def test_an_encrypted_mail_is_told(tmp_path: Path) -> None:
    data = b"Subject: x\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n"
    data += b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n--b--\n"

    with pytest.raises(ParseError) as caught:
        read(tmp_path, data)

    assert caught.value.code == "encrypted"
