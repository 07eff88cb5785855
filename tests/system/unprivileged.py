"""Commands as a user whom modes bind: root passes over them, so root gives up its capabilities first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.arawn.cli.place import Place

# What is left of root is an owner like any other. (Another user could not read the tests' own directories.)
_POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()


class Unprivileged(Place):
    """A place whose commands have no more rights than the modes of files give to their owner."""

    def __init__(self, directory: Path, runtime: Path) -> None:
        super().__init__(directory, runtime)
        self.before = _POWERLESS
        probe = "import os, sys; sys.exit(os.access(sys.argv[1], os.W_OK))"
        with read_only(runtime):
            found = [*_POWERLESS, sys.executable, "-c", probe, str(runtime)]
            bound = shutil.which(found[0]) is not None and subprocess.run(found, check=False).returncode == 0
        if not bound:
            pytest.skip("root cannot give up its rights here (`setpriv` of util-linux does that)")


@contextmanager
def read_only(directory: Path, mode: int = 0o500) -> Iterator[None]:
    """Let nothing be made in `directory` or removed from it, for as long as the block lasts; mode 0 closes it whole."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(mode)
    try:
        yield
    finally:
        directory.chmod(0o700)
