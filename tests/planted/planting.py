"""Plants one bug in a copy of `actors/` and reads from the tests there whether it was caught."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import trio

ROOT = Path(__file__).parents[2]
LIMIT_S = 60.0  # within this a bug must be red; the unpatched copy has longer, for it runs all the tests

_PYTEST = ["-m", "pytest", "-q", "-x", "--tb=no", "-rfE", "-p", "no:cacheprovider", "--hypothesis-seed=0"]


class Bug(msgspec.Struct, frozen=True):
    """A patch with its header: what is wrong, why that matters, which tests are to notice."""

    name: str
    what: str
    why: str
    tests: tuple[str, ...]
    patch: Path


class Verdict(msgspec.Struct, frozen=True):
    """How the tests of one copy ended."""

    name: str
    as_it_should: bool
    story: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.name:<36} {self.story.format(seconds=f'{self.seconds:.1f} s')}"


def read_bug(patch: Path) -> Bug:
    """Read the header: one `Field: text` a line, before the diff."""
    head, _, _ = patch.read_text("utf-8").partition("\n--- ")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if line)
    return Bug(patch.stem, fields["Bug"], fields["Why"], tuple(fields["Tests"].split()), patch)


def planted() -> list[Bug]:
    """Return all bugs there are, by name."""
    return [read_bug(patch) for patch in sorted(Path(__file__).parent.glob("*.patch"))]


def judge(bug: Bug, status: int | None, output: str) -> tuple[bool, str]:
    """Say whether pytest's exit status (None: it had to be ended) means that the bug was caught, and word it."""
    if status is None:
        return False, f"HANGS: no red test within {LIMIT_S:g} s"
    if status == 0:
        return False, f"SURVIVES {' '.join(bug.tests)}"
    if status != 1:  # 2 to 5: pytest did not get as far as a verdict
        return False, f"DOES NOT RUN: pytest ended with {status}: {output.strip()[-300:]}"
    return True, f"red after {{seconds}}: {_first_red(output)}"


def _first_red(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return lines[0].split(" ", 1)[1].split(" - ")[0] if lines else "a test that pytest does not name"


@contextmanager
def copied() -> Iterator[Path]:
    """Copy what the tests of `actors` need into a directory that lasts as long as the block."""
    with TemporaryDirectory(prefix="planted-") as name:
        for part in ("actors", "tests/actors"):
            shutil.copytree(ROOT / part, Path(name, part), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", name)
        yield Path(name)


async def plant(bug: Bug) -> Verdict:
    """Apply the patch to a copy and run its tests there.

    Checkpoint: always.
    If cancelled: the processes are ended, the copy is removed.
    """
    with copied() as copy:
        environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}  # a repository above would mislead it
        applied = await trio.run_process(
            ["git", "apply", str(bug.patch)], cwd=copy, env=environ, check=False, capture_stderr=True
        )
        if applied.returncode:
            return Verdict(bug.name, False, f"DOES NOT APPLY: {applied.stderr.decode().strip()}")
        began = trio.current_time()
        status, output = await _run_tests(copy, bug.tests, LIMIT_S)
        return Verdict(bug.name, *judge(bug, status, output), trio.current_time() - began)


async def run_unpatched(bugs: Sequence[Bug]) -> Verdict:
    """Run the tests of all bugs in a copy without any: they must be green, or their red would mean nothing.

    Checkpoint: always.
    If cancelled: the tests are ended, the copy is removed.
    """
    with copied() as copy:
        began = trio.current_time()
        status, output = await _run_tests(copy, sorted({test for bug in bugs for test in bug.tests}), 2 * LIMIT_S)
        story = "green after {seconds}" if status == 0 else f"NOT GREEN: {_first_red(output)}"
        return Verdict("(without a bug)", status == 0, story, trio.current_time() - began)


async def _run_tests(copy: Path, tests: Sequence[str], limit_s: float) -> tuple[int | None, str]:
    with trio.move_on_after(limit_s):
        done = await trio.run_process(
            [sys.executable, *_PYTEST, *tests], cwd=copy, check=False, capture_stdout=True, stderr=subprocess.STDOUT
        )
        return done.returncode, done.stdout.decode()
    return None, ""
