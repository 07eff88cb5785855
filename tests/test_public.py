"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import arawn


@pytest.mark.parametrize("name", arawn.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each name in `arawn.__all__` can be had, and is called that (a union has no name of its own)."""
    assert getattr(getattr(arawn, name), "__name__", name) == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public is refused the way modules do."""
    with pytest.raises(AttributeError, match="no attribute `nothing`"):
        arawn.nothing  # noqa: B018


def test_importing_arawn_loads_next_to_nothing() -> None:
    """`import arawn` alone loads neither trio nor httpx."""
    program = "import sys, arawn; print(sorted({'trio', 'httpx', 'msgspec'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
