"""The table of backend kinds for the documentation: `python -m arawn.backends.reference docs/backends.md` renews it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from arawn.backends.presets import PRESETS, Preset

__all__ = ["renewed", "table"]

_BLOCK = re.compile(r"(<!-- backends: generated -->\n).*?(<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return one row for each backend kind."""
    rows = ["| backend | dialect | address | key |", "| --- | --- | --- | --- |"]
    return "\n".join(rows + [_row(kind, preset) for kind, preset in PRESETS.items()]) + "\n"


def _row(kind: str, preset: Preset) -> str:
    dialect = preset.dialect or ("`dialect` names it" if kind == "custom" else "none")
    address = preset.base_url or {"custom": "`base_url`", "local": "a server of its own"}.get(kind, "none")
    key = f"`{preset.key_env}`" if preset.key_env else ("if one is given" if kind == "custom" else "none")
    return f"| `{kind}` | {dialect} | {address} | {key} |"


def renewed(page: str) -> str:
    """Return the page with its table as it is now."""
    return _BLOCK.sub(lambda block: block[1] + table() + block[2], page)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text("utf-8")), "utf-8")
