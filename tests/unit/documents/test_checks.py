from __future__ import annotations

import pytest

from documents import checks
from documents.parsing.sandbox import GUARDS


def test_a_system_with_all_guards_is_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "missing_guards", lambda: ())

    assert checks.guards_of_parsers() == []


@pytest.mark.parametrize("name", GUARDS)
def test_each_missing_guard_is_named_with_its_effect_and_a_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(checks, "missing_guards", lambda: (name,))

    (warning,) = checks.guards_of_parsers()

    assert f"without {name}." in warning.msg
    assert warning.hint


def test_warnings_have_ids_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "missing_guards", lambda: GUARDS)

    assert [each.id for each in checks.guards_of_parsers()] == ["documents.W001", "documents.W002"]
