"""The tools that a Python module of the user's holds."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

from arawn.agent.functions import tools_by_name
from arawn.agent.tool import Tool
from arawn.config.schema import ToolSource
from arawn.errors import ArawnError, ConfigError

__all__ = ["imported"]


def imported(name: str, source: ToolSource) -> list[Tool]:
    """Return the tool, or the list of tools, that `python` names.

    Raises:
        ConfigError: It cannot be imported, or is something else.
    """
    module, _, attribute = (source.python or "").partition(":")
    try:
        value = getattr(import_module(module), attribute)
        return list(tools_by_name(value if isinstance(value, list | tuple) else [value]).values())
    except (Exception, SystemExit) as error:  # the module is the user's, and can raise anything
        said = str(error) if isinstance(error, ArawnError) else f"{type(error).__name__}: {error}".splitlines()[0]
        if isinstance(error, ModuleNotFoundError):
            said += _where_looked()
        raise ConfigError([f"tools.{name}.python: cannot use `{source.python}`: {said}"]) from error


def _where_looked() -> str:
    """Return where Python looks for modules, as far as a user has a say in it."""
    path = os.environ.get("PYTHONPATH")
    looked = f"`PYTHONPATH`, which is {f'`{path}`' if path else 'not set'}, and the packages of `{sys.executable}`"
    here = {"", str(Path.cwd())} & set(sys.path)
    return f"; looked for in {looked}{'' if here else f', but not in the current directory `{Path.cwd()}`'}"
