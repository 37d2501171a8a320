"""Keys are read from where a row says, and nothing else can be read that way."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.errors import ModelKeyMissing
from inference.keys import LONGEST, is_key_source, read_key

KEY = "rk-0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir()
    return made


def test_no_source_means_no_key(folder: Path) -> None:
    assert read_key("", folder) == ""


def test_a_variable_holds_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHERE_API_KEY", f" {KEY}\n")
    assert read_key("COHERE_API_KEY", folder) == KEY


def test_a_variable_may_be_given_as_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "key"
    elsewhere.write_text(f"{KEY}\n")
    monkeypatch.setenv("COHERE_API_KEY", "")
    monkeypatch.setenv("COHERE_API_KEY_FILE", str(elsewhere))
    assert read_key("COHERE_API_KEY", folder) == KEY


def test_a_file_of_the_folder_holds_the_key(folder: Path) -> None:
    (folder / "cohere").write_text(KEY)
    assert is_key_source(str(folder / "cohere"), folder)
    assert read_key(str(folder / "cohere"), folder) == KEY


def test_a_link_within_the_folder_is_followed_as_container_platforms_make_them(
    folder: Path,
) -> None:
    (folder / "..data").mkdir()
    (folder / "..data" / "cohere").write_text(KEY)
    (folder / "cohere").symlink_to(folder / "..data" / "cohere")
    assert read_key(str(folder / "cohere"), folder) == KEY


@pytest.mark.parametrize(
    "source", ["SECRET_KEY", "DATABASE_URL", "PATH", "api_key", "X-API_KEY", "_API_KEY", "API_KEY"]
)
def test_variables_of_other_names_are_not_read(
    source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(source, KEY)
    assert not is_key_source(source, folder)
    with pytest.raises(ModelKeyMissing):
        read_key(source, folder)


def test_files_elsewhere_are_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(KEY)
    (folder / "link").symlink_to(tmp_path / "other")
    for source in (
        "/etc/passwd",
        str(tmp_path / "other"),
        f"{folder}/../other",
        f"{folder}/link",
        str(folder),
        "secrets/cohere",
        "/bad\0name",
    ):
        assert not is_key_source(source, folder), source
        with pytest.raises(ModelKeyMissing):
            read_key(source, folder)


@pytest.mark.parametrize(
    "content", ["", "  \n", "two\nlines", "schlüssel", "tab\tin it", "k" * (LONGEST + 1)]
)
def test_what_is_no_key_is_said_without_showing_it(content: str, folder: Path) -> None:
    (folder / "cohere").write_text(content)
    with pytest.raises(ModelKeyMissing) as caught:
        read_key(str(folder / "cohere"), folder)
    if content.strip():
        assert content not in str(caught.value)


def test_a_missing_or_binary_file_is_said(folder: Path) -> None:
    with pytest.raises(ModelKeyMissing, match="No such file"):
        read_key(str(folder / "none"), folder)
    (folder / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelKeyMissing, match="not text"):
        read_key(str(folder / "binary"), folder)
