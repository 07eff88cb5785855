"""The tables of keys in `docs/configuration.md`: what the schema says of each key is rendered, so that it cannot lie.

`python -m arawn.config.reference docs/configuration.md` renews the tables in that file. What a key means is written in
the page itself, in the last column, and stays as it stands there; a key that is new has an empty one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import NODEFAULT, inspect

from arawn.config import schema
from arawn.config.describe import accepted, as_kind, plain

__all__ = ["BEGIN", "END", "meanings", "renewed"]

BEGIN = "<!-- keys: rendered by `python -m arawn.config.reference docs/configuration.md` -->"
END = "<!-- end of keys -->"

_PROFILE = "`[llm]`, `[llm.NAME]`, `[llm_profiles.NAME]` or `[routing.profiles.NAME]`"
_TABLES: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    (f"{_PROFILE}: one profile", schema.Profile),
    ("`timeouts` in a profile", schema.TimeoutsConfig),
    ("`retry` in a profile", schema.RetryConfig),
    ("`[workstreams]`", schema.WorkstreamsConfig),
    ("`[workstreams.named.NAME]`", schema.NamedWorkstream),
    ("`[routing]`", schema.RoutingConfig),
    ("`[[routing.rules]]`", schema.RoutingRule),
    ("`[routing.classifier]`", schema.ClassifierConfig),
    ("`[agent]`", schema.AgentConfig),
    ("`[tools.NAME]`", schema.ToolSource),
    ("`[logging.interactions]`", schema.InteractionLogConfig),
    ("`[server]`", schema.ServerConfig),
)


def renewed(page: str) -> str:
    """Return `page` with the tables between its two marks rendered anew, each key with the meaning that it had.

    Raises:
        ValueError: If a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"cannot renew the tables of keys: the page needs the lines {BEGIN!r} and {END!r}")
    known = meanings(old)
    tables = "\n".join(line for title, kind in _TABLES for line in _table(title, kind, known))
    return f"{before}{begin}\n\n{tables}\n{end}{after}"


def meanings(tables: str) -> dict[tuple[str, str], str]:
    """Return what each key means, by the title of its table and its name as it stands in the first column."""
    found: dict[tuple[str, str], str] = {}
    title = ""
    for line in tables.splitlines():
        if line.startswith("### "):
            title = line.removeprefix("### ")
        elif line.startswith("| `"):
            name, _, _, meaning = line.removeprefix("| ").removesuffix(" |").split(" | ", 3)
            found[title, name] = meaning
    return found


def _table(title: str, kind: type[msgspec.Struct], known: Mapping[tuple[str, str], str]) -> Iterator[str]:
    yield from (f"### {title}", "", "| key | accepted | default | meaning |", "| --- | --- | --- | --- |")
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType), "a struct describes itself as one"
    for field in described.fields:
        name, words = f"`{field.name}`", accepted(as_kind(field.type))
        yield f"| {name} | {words} | {_default(field)} | {known.get((title, name), '')} |"
    yield ""


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if field.default_factory is not NODEFAULT or isinstance(field.default, msgspec.Struct):
        return "empty"
    return "none" if field.default is None else f"`{plain(field.default)}`"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
