"""The arrow between the two packages: `actors` stands alone."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import actors

ALLOWED = {"actors", "trio", "msgspec", *sys.stdlib_module_names}


def test_actors_imports_only_trio_msgspec_and_the_standard_library() -> None:
    """It knows nothing of the product that is built on it."""
    found = set()
    for file in Path(actors.__file__).parent.glob("**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file.name}: relative import"
                found.add(str(node.module).partition(".")[0])

    assert {"trio", "msgspec"} <= found <= ALLOWED
    assert "asyncio" not in found


def test_the_pure_modules_do_not_know_trio() -> None:
    """What decides can be read and tested without a run."""
    for name in ("_window", "_backoff", "spec", "status", "errors", "events"):
        text = (Path(actors.__file__).parent / f"{name}.py").read_text()
        assert "import trio" not in text, name
