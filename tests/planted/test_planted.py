"""The test of the tests: each planted bug makes them red, and what is no bug does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.planting import ROOT, Bug, judge, plant, planted, read_bug

HARMLESS = '''Bug: None: a docstring says more.
Why: A command that calls everything red would prove nothing.
Tests: tests/actors/test_window.py

--- a/actors/_window.py
+++ b/actors/_window.py
@@ -1,3 +1,3 @@
-"""Sliding-window restart budget. Pure: takes times, returns verdicts."""
+"""Sliding-window restart budget. Pure: takes times, returns verdicts; and that is all."""

 from __future__ import annotations
'''


@pytest.mark.parametrize("bug", planted(), ids=lambda bug: bug.name)
def test_a_patch_says_what_it_plants_and_who_is_to_notice(bug: Bug) -> None:
    """One sentence of what, one of why, and test files that exist."""
    assert bug.what.endswith(".")
    assert bug.why.endswith(".")
    assert bug.tests
    assert [test for test in bug.tests if not (ROOT / test).is_file()] == []


def test_every_guarantee_has_a_planted_bug() -> None:
    """G1 to G20: for each there is a way to break it that the tests must notice."""
    assert {bug.name[:3] for bug in planted()} >= {f"g{number:02}" for number in range(1, 21)}


@pytest.mark.parametrize(
    ("status", "caught", "story"),
    [
        (1, True, "red after {seconds}: tests/actors/test_a.py::test_b"),
        (0, False, "SURVIVES tests/actors/test_window.py"),
        (2, False, "DOES NOT RUN: pytest ended with 2"),
        (None, False, "HANGS: no red test within 60 s"),
    ],
)
def test_only_a_red_test_counts_as_caught(tmp_path: Path, status: int | None, caught: bool, story: str) -> None:
    """A hang, or a copy whose tests cannot even be collected, is nobody's proof."""
    verdict = judge(harmless(tmp_path), status, "F\nFAILED tests/actors/test_a.py::test_b - assert 1 == 2\n1 failed")

    assert verdict[0] is caught
    assert verdict[1].startswith(story)


def harmless(folder: Path, text: str = HARMLESS) -> Bug:
    patch = folder / "harmless.patch"
    patch.write_text(text)
    return read_bug(patch)


@pytest.mark.slow
async def test_what_is_no_bug_survives(tmp_path: Path) -> None:
    """The command notices when the tests notice nothing, and a patch that no longer applies."""
    survivor = await plant(harmless(tmp_path))
    stale = await plant(harmless(tmp_path, HARMLESS.replace('-"""Sliding', '-"""Slipping')))

    assert (survivor.as_it_should, survivor.story) == (False, "SURVIVES tests/actors/test_window.py")
    assert not stale.as_it_should
    assert stale.story.startswith("DOES NOT APPLY: error: patch failed: actors/_window.py")


@pytest.mark.slow
def test_every_planted_bug_makes_the_tests_red() -> None:
    """Each within a minute; and without a bug they are green."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.planted"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=600
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" red after ") == len(planted())
