"""The page `docs/cli.md`: the help of every command, as the commands print it, so that it cannot lie.

`python -m arawn.cli.reference docs/cli.md` renews the commands in that file; what stands before them is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from arawn.cli.root import root

__all__ = ["commands", "renewed"]

_WIDTH = 100


def commands(name: str = "arawn", command: click.Command = root) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all below it, each with all the words it is called by, a group before what is in it."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from commands(f"{name} {inner}", found)


def renewed(page: str) -> str:
    """Return `page` with its commands, from the first heading of the second level on, as they are now."""
    head, _, _ = page.partition("\n## ")
    return head + "".join(f"\n## `{name}`\n\n```text\n{_help(name, command)}\n```\n" for name, command in commands())


def _help(name: str, command: click.Command) -> str:
    parent, _, last = name.rpartition(" ")
    context = click.Context(command, info_name=last, parent=click.Context(root, info_name=parent) if parent else None)
    context.terminal_width = context.max_content_width = _WIDTH
    return command.get_help(context)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8")), encoding="utf-8")
