"""The page `docs/cli.md`: the help of every command, as the commands print it, so that it cannot lie.

`python -m arawn.cli.reference docs/cli.md` rewrites that file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from arawn.cli.root import root

__all__ = ["commands", "page"]

_WIDTH = 100
_HEAD = """\
# The command line

The help of every command, written by `python -m arawn.cli.reference docs/cli.md`.

`arawn COMMAND --help` prints the same.
Errors are one message on stderr that begins with `arawn:`.
`ARAWN_TRACEBACK=1` adds the whole traceback.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | what was asked for failed |
| 2 | wrong use, or a wrong configuration |
| 130 | interrupted by Ctrl-C (SIGINT); a second one ends at once. 143 for SIGTERM |
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with all the words it is called by, a group before what is in it."""
    yield from _below("arawn", root)


def page() -> str:
    """Return the whole page."""
    return _HEAD + "".join(f"\n## `{name}`\n\n```text\n{_help(name, command)}\n```\n" for name, command in commands())


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _below(f"{name} {inner}", found)


def _help(name: str, command: click.Command) -> str:
    parent, _, last = name.rpartition(" ")
    context = click.Context(command, info_name=last, parent=click.Context(root, info_name=parent) if parent else None)
    context.terminal_width = context.max_content_width = _WIDTH
    return command.get_help(context)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
