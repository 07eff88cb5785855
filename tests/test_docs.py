"""The documentation cannot lie: examples are files that run, and the pages hold them word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

INCLUDE = re.compile(r"<!-- include: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
ANCHOR = re.compile(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)")
EXAMPLES = sorted(Path("examples").glob("*.py"))
INVENTS = re.compile(r"backend ?= ?\"scripted\"")
NAME = re.compile(r"workstream\(f?\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_included_code_is_the_file(page: Path) -> None:
    """A block that follows `<!-- include: FILE -->` is that file."""
    for name, block in INCLUDE.findall(page.read_text("utf-8")):
        assert block == Path(name).read_text("utf-8"), f"{page} shows another {name} than there is"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists."""
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_anchors_name_a_heading(page: Path) -> None:
    """What follows `#` in a link to a page is one of its headings, as they are spelled in addresses."""
    for target, anchor in ANCHOR.findall(page.read_text("utf-8")):
        there = page.parent / target if target else page
        headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(there.read_text("utf-8"))]
        assert anchor in [heading.strip().replace(" ", "-") for heading in headings], f"{page}: {target}#{anchor}"


def test_the_pages_have_what_is_looked_for() -> None:
    """Included files, links and anchors: a pattern that finds none would find no fault either."""
    text = "".join(page.read_text("utf-8") for page in PAGES)

    assert all(len(pattern.findall(text)) > 5 for pattern in (INCLUDE, LINK, ANCHOR, HEADING))


def run_example(example: Path, directory: Path) -> None:
    """Run it as somebody would whose files are all in `directory`, with the scripted backend."""
    (directory / "arawn.toml").write_text('[llm]\nbackend = "scripted"\n')
    environ = {**os.environ, "ARAWN_CONFIG_DIR": str(directory), "ARAWN_STATE_DIR": str(directory)}
    environ["PYTHONPATH"] = str(Path.cwd())

    done = subprocess.run(
        [sys.executable, str(example.resolve())],
        check=False,
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    """Every example runs to its end against the scripted backend, says something, and can be run again."""
    for _ in range(2):
        run_example(example, tmp_path)

    if INVENTS.search(example.read_text("utf-8")):  # then what it says is nothing to keep, or to train on
        assert [file.name for file in tmp_path.iterdir()] == ["arawn.toml"]


def test_every_example_has_conversations_of_its_own() -> None:
    """Whoever tries one after the other finds in none what another has said or done."""
    named = [(name, example.name) for example in EXAMPLES for name in set(NAME.findall(example.read_text("utf-8")))]

    assert len(named) > 5
    assert sorted(dict(named).items()) == sorted(named)


def test_the_code_tour_fits_into_an_evening() -> None:
    """The files that the tour names are 7,000 lines at most together, docstrings and all."""
    page = Path("docs/code-tour.md")
    files = {page.parent / target for target in LINK.findall(page.read_text("utf-8")) if target.endswith(".py")}

    assert len(files) > 20
    assert sum(len(file.read_text("utf-8").splitlines()) for file in files) <= 7_000
