"""Each variable is documented once, and an installation of its own fails loudly without its due."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"env\.(text|flag|number|words|secret)\(\s*\"([A-Z_]+)\"")
DOCUMENTED = re.compile(r"^([A-Z_]+)=", re.MULTILINE)
DATABASE = "postgresql://someone:secret@db.example.org/ragsite"


def variables_read() -> set[str]:
    found: set[str] = set()
    for kind, name in READ.findall((ROOT / "ragsite/settings.py").read_text(encoding="utf-8")):
        found.add(name)
        if kind == "secret":
            found.add(f"{name}_FILE")
    return found


def documented() -> list[str]:
    return DOCUMENTED.findall((ROOT / ".env.example").read_text(encoding="utf-8"))


def compose_variables() -> set[str]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return set(re.findall(r"\$\{([A-Z_]+)[^}]*\}", text))


def test_every_variable_that_settings_read_is_documented() -> None:
    assert variables_read() - set(documented()) == set()


def test_every_documented_variable_is_read() -> None:
    assert set(documented()) - variables_read() - compose_variables() == set()


def test_no_variable_is_documented_twice() -> None:
    assert len(documented()) == len(set(documented()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["SECRET_KEY", "ALLOWED_HOSTS"]),
        ({"SECRET_KEY": "x" * 60}, ["ALLOWED_HOSTS"]),
        ({"ALLOWED_HOSTS": "example.org"}, ["SECRET_KEY"]),
    ],
)
def test_an_installation_of_its_own_must_be_given_what_guards_it(
    given: dict[str, str], missing: list[str]
) -> None:
    done = _load_settings({"DATABASE_URL": DATABASE, **given})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert f"Set {', '.join(missing)}:" in last


@pytest.mark.slow
def test_an_installation_of_its_own_is_hardened(tmp_path: Path) -> None:
    done = _load_settings(
        {"DATABASE_URL": DATABASE, "SECRET_KEY": "x" * 60, "ALLOWED_HOSTS": "example.org"},
        "print(s.DEBUG, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0)",
    )
    assert done.stdout.split() == ["False", "True", "True", "True"], done.stderr


def _load_settings(
    given: dict[str, str], then: str = "s.DEBUG"
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    code = f"from django.conf import settings as s; {then}"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**kept, "DJANGO_SETTINGS_MODULE": "ragsite.settings", **given},
    )
