"""The catalogue's own tool, on small sources."""

from __future__ import annotations

import gettext
from typing import TYPE_CHECKING

import polib
import pytest

from ragsite import catalogue
from ragsite.catalogue import Message

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from django.utils.translation import gettext as _, ngettext

def greet(name: str, count: int) -> str:
    # Translators: shown once a day
    hello = _("Hello %(name)s") % {"name": name}
    return hello + ngettext("%(count)d file", "%(count)d files", count) % {"count": count}
"""

TEMPLATE = """
{% load i18n %}
<p>It's {plain} text (with brackets</p>
  <b>{% translate "Sign in" %}</b>
<i title="{% translate 'Close' context 'dialog' %}">
{% blocktranslate count n=files|length trimmed %}
    {{ n }} file
{% plural %}
    {{ n }} files
{% endblocktranslate %}
{{ _("Later") }}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for package in catalogue.PACKAGES:
        (tmp_path / package / "migrations").mkdir(parents=True)
    (tmp_path / "templates").mkdir()
    (tmp_path / "qa" / "greeting.py").write_text(MODULE)
    (tmp_path / "qa" / "migrations" / "0001.py").write_text("_('never extracted')")
    (tmp_path / "templates" / "page.html").write_text(TEMPLATE)
    return tmp_path


def translate(project: Path, **texts: str) -> polib.POFile:
    file = polib.pofile(str(project / catalogue.CATALOGUE))
    for entry in file:
        text = texts.get(entry.msgid.split()[0].lower(), "")
        if entry.msgid_plural:
            entry.msgstr_plural = {0: text}
        else:
            entry.msgstr = text
    file.save()
    return file


def test_strings_of_a_module_are_found_with_their_plural_and_comment() -> None:
    hello, files = catalogue.messages_in(MODULE, is_template=False)
    assert hello.singular == "Hello %(name)s"
    assert hello.comments == {"shown once a day"}
    assert (files.singular, files.plural) == ("%(count)d file", "%(count)d files")


def test_strings_of_a_template_are_found_in_every_form() -> None:
    found = [
        (message.context, message.singular, message.plural)
        for message in catalogue.messages_in(TEMPLATE, is_template=True)
    ]
    assert found == [
        ("", "Sign in", ""),
        ("dialog", "Close", ""),
        ("", "%(n)s file", "%(n)s files"),
        ("", "Later", ""),
    ]


def test_extracting_names_the_file_of_each_string_and_leaves_migrations_out(project: Path) -> None:
    found = catalogue.extract(project)
    assert found["", "Sign in"].files == {"templates/page.html"}
    assert ("", "never extracted") not in found


def test_a_new_catalogue_lists_what_is_missing_and_the_check_fails(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert catalogue.main(["extract"], root=project) == 0
    assert catalogue.main(["check"], root=project) == 1
    said = capsys.readouterr().out
    assert len(said.splitlines()) == 6
    assert "'Sign in' is not translated (templates/page.html)." in said


def test_a_complete_catalogue_passes_and_compiles_to_what_gettext_reads(project: Path) -> None:
    catalogue.main(["extract"], root=project)
    texts = {"hello": "你好 %(name)s", "%(count)d": "%(count)d 个文件", "sign": "登录"}
    translate(project, **texts, close="关闭", later="稍后", **{"%(n)s": "%(n)s 个文件"})
    assert catalogue.main(["check"], root=project) == 0
    assert catalogue.main(["compile"], root=project) == 0
    compiled = (project / catalogue.CATALOGUE).with_suffix(".mo")
    with compiled.open("rb") as file:
        chinese = gettext.GNUTranslations(file)
    assert chinese.gettext("Sign in") == "登录"
    assert chinese.pgettext("dialog", "Close") == "关闭"
    assert chinese.ngettext("%(n)s file", "%(n)s files", 1) == "%(n)s 个文件"


def test_extracting_again_keeps_translations_and_drops_strings_that_are_gone(project: Path) -> None:
    catalogue.main(["extract"], root=project)
    translate(project, sign="登录", later="稍后")
    (project / "templates" / "page.html").write_text('{% load i18n %}{% translate "Sign in" %}')
    catalogue.main(["extract"], root=project)
    kept = {entry.msgid: entry.msgstr for entry in polib.pofile(str(project / catalogue.CATALOGUE))}
    assert kept["Sign in"] == "登录"
    assert "Later" not in kept


def test_extracting_twice_writes_the_same_bytes(project: Path) -> None:
    catalogue.main(["extract"], root=project)
    first = (project / catalogue.CATALOGUE).read_bytes()
    catalogue.main(["extract"], root=project)
    assert (project / catalogue.CATALOGUE).read_bytes() == first


@pytest.mark.parametrize(
    ("translation", "flags", "expected"),
    [
        ("你好", [], ["'Hello %(name)s' and '你好' differ in their placeholders."]),
        ("%(who)s", [], ["'Hello %(name)s' and '%(who)s' differ in their placeholders."]),
        ("", [], ["'Hello %(name)s' is not translated (qa/greeting.py)."]),
        ("你好 %(name)s", ["fuzzy"], ["'Hello %(name)s' is marked fuzzy."]),
        ("你好 %(name)s", [], []),
    ],
)
def test_each_fault_is_said_and_a_good_entry_is_not(
    translation: str, flags: list[str], expected: list[str]
) -> None:
    message = Message("", "Hello %(name)s", files={"qa/greeting.py"})
    translated = polib.POFile()
    translated.append(polib.POEntry(msgid=message.singular, msgstr=translation, flags=flags))
    assert catalogue.faults({message.key: message}, translated) == expected


def test_a_string_that_left_the_source_is_a_fault() -> None:
    translated = polib.POFile()
    translated.append(polib.POEntry(msgid="Old", msgstr="旧"))
    assert catalogue.faults({}, translated) == [
        "'Old' is in the catalogue and no longer in the source."
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100%% of %(total)d", ["%(total)d"]),
        ("{name} has {count:d} of %s", ["%s", "{count:d}", "{name}"]),
        ("nothing here", []),
        ("%(n)s and %(n)s", ["%(n)s", "%(n)s"]),
    ],
)
def test_placeholders_are_found_in_both_styles(text: str, expected: list[str]) -> None:
    assert catalogue.placeholders(text) == sorted(expected)
