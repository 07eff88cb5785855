"""The page on backends cannot lie."""

from __future__ import annotations

from pathlib import Path

from arawn.backends.local_model import ServerSettings
from arawn.backends.reference import renewed
from arawn.backends.script import load_script

PAGE = Path("docs/backends.md").read_text("utf-8")


def test_the_table_is_the_one_in_the_code() -> None:
    """`docs/backends.md` holds the table as it is generated now."""
    assert renewed(PAGE) == PAGE


def test_every_server_setting_is_described() -> None:
    """The keys of `extra` that a local model server takes are all in the page."""
    assert all(f"| `{name}` |" in PAGE for name in ServerSettings.__struct_fields__)


def test_the_example_script_is_valid() -> None:
    """The script in the page is one that a backend accepts."""
    assert len(load_script("example", "examples/script.toml")) == 4
