"""`import arawn` gives every public name, and lists them."""

from __future__ import annotations

import ast
from pathlib import Path

import arawn


def test_every_name_is_listed_and_there() -> None:
    """For completion at a prompt, and for `from arawn import *`."""
    assert dir(arawn) == sorted(arawn.__all__)
    assert all(
        getattr(arawn, name).__name__ == name for name in arawn.__all__ if name not in {"ContentBlock", "StreamEvent"}
    )


def test_type_checkers_see_the_same_names() -> None:
    """The imports that only they read are those of the table."""
    tree = ast.parse(Path("arawn/__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }

    assert seen == {name: module for module, names in arawn._HOME.items() for name in names}
