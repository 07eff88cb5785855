"""`arawn interactions schema`: the JSON Schema of the log."""

from __future__ import annotations

import inspect

import click

from arawn.cli.output import print_json
from arawn.interactions.record import json_schema

__all__ = ["schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.command()
def schema() -> None:
    """Print the JSON Schema of a line of the log: every kind of line, every key."""
    found = json_schema()
    for definition in found["$defs"].values():
        definition["description"] = inspect.cleandoc(definition.get("description", ""))
    print_json({"$schema": _DIALECT, "title": "A line of the log", **found})
