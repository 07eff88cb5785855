"""`import arawn` gives every public name, and lists them."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import arawn


def test_every_name_is_listed_and_there() -> None:
    """For completion at a prompt, and for `from arawn import *`."""
    assert dir(arawn) == sorted(arawn.__all__)
    assert all(
        getattr(arawn, name).__name__ == name for name in arawn.__all__ if name not in {"ContentBlock", "StreamEvent"}
    )


def test_what_a_caller_may_catch_is_there() -> None:
    """Every error that a docstring of the runtime, of a conversation or of `open_runtime` names."""
    doors = (arawn.open_runtime, *vars(arawn.Runtime).values(), *vars(arawn.Workstream).values())
    words = {word for door in doors for word in re.findall(r"[A-Z]\w+", inspect.getdoc(door) or "")}
    named = {kind.__name__ for kind in (*_kinds_of(arawn.ArawnError), *_kinds_of(arawn.ActorError))} & words

    assert named >= {"PolicyFailed", "ToolServerFailed", "ContextTooLong", "Stopped"}
    assert named <= set(arawn.__all__)


def _kinds_of(error: type[Exception]) -> Iterator[type[Exception]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _kinds_of(kind)


def test_the_tree_of_errors_in_the_manual_is_that_of_the_code() -> None:
    """Each error of `arawn.*` stands in docs/library.md, below what it is a kind of."""
    (tree,) = re.findall(r"```text\n(Exception\n.*?)```", Path("docs/library.md").read_text("utf-8"), re.DOTALL)
    above: list[str] = []
    found: dict[str, str] = {}
    for line in tree.splitlines():
        ((depth, name),) = re.findall(r"^((?:[│ ] {3}|[├└]── )*)(\w+)", line)
        above[len(depth) // 4 :] = [name]
        found[name] = above[-2] if len(above) > 1 else ""
    errors = {name: each for name in arawn.__all__ if isinstance(each := getattr(arawn, name), type)}
    expected = {name: kind.__bases__[0].__name__ for name, kind in errors.items() if issubclass(kind, Exception)}

    assert {name: parent for name, parent in found.items() if name != "Exception"} == expected


def test_type_checkers_see_the_same_names() -> None:
    """The imports that only they read are those of the table."""
    tree = ast.parse(Path("arawn/__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }

    assert seen == {name: module for module, names in arawn._HOME.items() for name in names}


_EACH_FIRST = """
import sys
import arawn
names = arawn.__all__
for name in names:
    for module in [module for module in sys.modules if module.partition(".")[0] == "arawn"]:
        del sys.modules[module]
    import arawn
    getattr(arawn, name)
"""


def test_a_program_may_begin_with_any_name() -> None:
    """What one name imports must not want it back: that fails for those alone who begin there."""
    done = subprocess.run([sys.executable, "-c", _EACH_FIRST], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
