"""The tools that a Python module of the user's holds."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import trio

from arawn.agent.functions import tools_by_name
from arawn.agent.tool import Tool
from arawn.config.schema import ToolSource
from arawn.errors import ArawnError, ConfigError

__all__ = ["imported", "imported_in_thread"]

_IMPORT_S = 60.0  # as long as a server has to start
_LONG = (
    "tools.{name}.python: importing `{python}` has not ended after {seconds:g} s, and goes on; take what waits, such "
    "as a download or a question, out of the top level of the module"
)


async def imported_in_thread(name: str, source: ToolSource, turn: trio.CapacityLimiter) -> list[Tool]:
    """Return the tools of a module; one that hangs at its import holds up nobody who does not want its tools.

    Args:
        name: What the tools are called in the configuration.
        source: Names the module.
        turn: Of this module, with room for one: one that hangs has one thread, not one a call.

    Raises:
        ConfigError: As for `imported`; or the import takes too long.

    Checkpoint: always.
    If cancelled: the import goes on, and a later call finds it done.
    """
    with trio.move_on_after(_IMPORT_S):
        return await trio.to_thread.run_sync(imported, name, source, abandon_on_cancel=True, limiter=turn)
    raise ConfigError([_LONG.format(name=name, python=source.python, seconds=_IMPORT_S)])


def imported(name: str, source: ToolSource) -> list[Tool]:
    """Return the tool, or the list of tools, that `python` names.

    Raises:
        ConfigError: It cannot be imported, or is something else.
    """
    module, _, attribute = (source.python or "").partition(":")
    try:
        value = getattr(import_module(module), attribute)
        return list(tools_by_name(value if isinstance(value, list | tuple) else [value]).values())
    except BaseException as error:  # the module is the user's and can raise anything; no cancellation reaches a thread
        said = str(error) if isinstance(error, ArawnError) else f"{type(error).__name__}: {error}".splitlines()[0]
        if isinstance(error, ModuleNotFoundError):
            said += _where_looked()
        problem = f"tools.{name}.python: cannot use `{source.python}`: {said}"
        raise ConfigError([problem]) from error  # noqa: ASYNC104  # as said above


def _where_looked() -> str:
    """Return where Python looks for modules, as far as a user has a say in it."""
    path = os.environ.get("PYTHONPATH")
    looked = f"`PYTHONPATH`, which is {f'`{path}`' if path else 'not set'}, and the packages of `{sys.executable}`"
    here = {"", str(Path.cwd())} & set(sys.path)
    return f"; looked for in {looked}{'' if here else f', but not in the current directory `{Path.cwd()}`'}"
