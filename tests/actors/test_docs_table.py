"""The table of guarantees in the documentation names tests that exist, in the files that it links."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| (G\d+) \|.*\| (.+) \|$", re.MULTILINE)
PROOF = re.compile(r"\[[\w.]+\]\(([\w./]+)\): ((?:`\w+`(?:, )?)+)")


def rows() -> list[tuple[str, str]]:
    """Return the number and the proofs of each guarantee."""
    found: list[tuple[str, str]] = ROW.findall((DOCS / "actors.md").read_text("utf-8"))
    return found


def names_in(file: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, functions)}


@pytest.mark.parametrize(("number", "proofs"), rows())
def test_every_test_that_the_table_names_exists(number: str, proofs: str) -> None:
    """A renamed test cannot leave a guarantee with a proof that nobody can find."""
    named = PROOF.findall(proofs)

    assert named, f"{number} has no proof"
    assert PROOF.sub("", proofs).strip("; ") == "", f"{number}: unreadable proofs"
    for link, names in named:
        assert set(re.findall(r"\w+", names)) <= names_in(DOCS / link), f"{number}: {link}"


def test_the_table_has_every_guarantee() -> None:
    """G1 to G20, in order."""
    assert [number for number, _ in rows()] == [f"G{number}" for number in range(1, 21)]
