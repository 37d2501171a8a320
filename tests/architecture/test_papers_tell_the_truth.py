"""What the project's papers name exists: files, links, make targets, variables, modules."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPERS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "samples/*.md", "training/*.md", "inference/**/*.md")
    for path in ROOT.glob(pattern)
)
PACKAGES = ("accounts", "documents", "inference", "qa", "ragsite")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
QUOTED = re.compile(r"`([^`\n]+)`")


def quoted_in(path: Path) -> list[str]:
    return QUOTED.findall(path.read_text(encoding="utf-8"))


def identity(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("paper", PAPERS, ids=identity)
def test_every_relative_link_leads_to_a_file(paper: Path) -> None:
    targets = LINK.findall(paper.read_text(encoding="utf-8"))
    assert [target for target in targets if not (paper.parent / target).exists()] == []


@pytest.mark.parametrize("paper", PAPERS, ids=identity)
def test_every_path_in_a_package_that_a_paper_names_exists(paper: Path) -> None:
    inside = re.compile(rf"(?:{'|'.join(PACKAGES)}|tests|training|samples|docs|locale)/[\w./-]*")
    named = [name for name in quoted_in(paper) if inside.fullmatch(name)]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_module_of_the_layered_packages_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    settled = {"__init__", "apps", "urls", "views", "admin", "forms"}
    modules = {
        f"{package}/{path.stem}"
        for package in ("documents", "qa", "inference")
        for path in (ROOT / package).glob("*.py")
        if path.stem not in settled
    }
    assert sorted(name for name in modules if f"{name.split('/')[1]}.py" not in text) == []


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_make_target_that_a_paper_names_is_in_the_makefile(paper: str) -> None:
    text = (ROOT / paper).read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make ([a-z][\w-]*)", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {name for name in targets if not re.search(rf"^{name}:", makefile, re.M)} == set()


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_variable_that_a_paper_names_is_in_the_example(paper: str) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = {
        name.split("=")[0]
        for name in quoted_in(ROOT / paper)
        if re.fullmatch(r"(RAGSITE_[A-Z_]+|DATABASE_URL|REDIS_URL|LOG_JSON)(=\S*)?", name)
    }
    assert {name for name in named if name not in example} == set()


def test_the_changelog_starts_with_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0].rstrip(",") == project["version"]


def test_every_decision_is_listed_and_says_when_to_reconsider_it() -> None:
    folder = ROOT / "docs" / "adr"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    decisions = sorted(folder.glob("[0-9]*.md"))
    for number, path in enumerate(decisions, start=1):
        text = path.read_text(encoding="utf-8")
        assert path.name.startswith(f"{number:04d}-")
        assert path.name in listed
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Reconsider when"]
