"""A model file that is none is found before anything is started."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from arawn.backends.preflight import Obstacle, preflight
from arawn.config.schema import Config, Profile


async def found_of(path: Path) -> list[Obstacle]:
    local = Profile(backend="local", model=str(path))
    return await preflight(Config(profiles={"default": local, "other": local}), {})


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not it is installed, it is there."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b"GGU", "begins with `GGU`"),
        (b"<!DOCTYPE html>", "begins with `<!DO`"),
        (b"\x89PNG", "begins with `\\x89PNG`"),
    ],
)
async def test_a_file_that_does_not_begin_as_a_model_is_told(tmp_path: Path, content: bytes, found: str) -> None:
    """With what it begins with; fatal for the default profile, since its server cannot start, and for no other."""
    path = tmp_path / "m.gguf"
    path.write_bytes(content)

    default, other = await found_of(path)

    assert (default.fatal, other.fatal) == (True, False)
    assert default.text == (
        f"profile `default` (local): model: `{path}` is no GGUF file: it {found}; give the path of a GGUF file"
    )


async def test_a_file_that_begins_as_a_model_is_left_to_the_engine(tmp_path: Path) -> None:
    """Only its first bytes are read."""
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(60))

    assert await found_of(path) == []
