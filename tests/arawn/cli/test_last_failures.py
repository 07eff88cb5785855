"""What doctor reads in the log: why the last call of a profile failed."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from arawn.backends.attempt import CallCancelled, ReaderGone
from arawn.cli.doctor import last_failures
from arawn.errors import ArawnError, BadRequest, RateLimited
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.samples import NOON, Clock, record
from tests.runtimes import ECHO, configured

QUOTA = RateLimited("quota exceeded; try again later")
BAD = BadRequest("no")
LATER = NOON + timedelta(minutes=5)


def failures(directory: Path, *calls: dict[str, Any], told: set[str] | None = None) -> list[str]:
    """Return what is found in a log of these calls of the profile `fast`, one a second."""
    config = configured(directory, {"default": ECHO, "fast": ECHO})
    with closing(open_day_log(directory / "log", config.logging.interactions, clock=Clock())) as log:
        for number, fields in enumerate(calls):
            log.append([record(number, NOON + timedelta(seconds=number), **fields)])
    return [f"{one.what}: {one.found}" for one in last_failures(config, {}, LATER, told=told or set())]


def failed(error: ArawnError = QUOTA, **fields: Any) -> dict[str, Any]:
    return {"status": "error", "error": error, **fields}


def test_a_last_call_that_failed_is_told(tmp_path: Path) -> None:
    """Since when, why, and what asks the profile again."""
    (found,) = failures(tmp_path, {}, failed())

    assert found == (
        "profile fast: its last call, 4 min 59 s ago, failed: quota exceeded; try again later; "
        "`arawn backends test fast` asks it again"
    )


@pytest.mark.parametrize(
    "after",
    [
        [{}],
        [failed(BAD), {}],
    ],
    ids=["answered since", "answered after a bad request"],
)
def test_what_was_answered_since_is_not_told(tmp_path: Path, after: list[dict[str, Any]]) -> None:
    """Only the last call counts."""
    assert failures(tmp_path, failed(), *after) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "cancelled"},
        {"status": "cancelled", "error": CallCancelled("the caller left")},
        {"status": "cancelled", "error": ReaderGone("gone")},
        failed(BAD),
    ],
    ids=["cancelled", "cancelled in the middle", "a reader that left", "a bad request"],
)
def test_what_says_nothing_of_the_profile_is_passed_over(tmp_path: Path, fields: dict[str, Any]) -> None:
    """A caller that left, or asked for something impossible."""
    assert len(failures(tmp_path / "a", failed(), fields)) == 1
    assert failures(tmp_path / "b", {}, fields) == []


@pytest.mark.parametrize(
    "error",
    [BadRequest("no credit left", status=402), BadRequest("no credit left", status=403, code="billing_error")],
)
def test_an_account_without_credit_is_no_fault_of_the_request(tmp_path: Path, error: BadRequest) -> None:
    """Every call will fail so, and it is the last one that is told."""
    (found,) = failures(tmp_path, failed(), failed(error))

    assert "its last call, 4 min 59 s ago, failed: no credit left" in found


def test_what_was_passed_over_is_not_called_nothing(tmp_path: Path) -> None:
    """The failure that is told is the last that tells how the profile is, and does not claim to be the last call."""
    (found,) = failures(tmp_path, failed(), {"status": "cancelled"})

    assert "its last call that tells how it is, 5 min 0 s ago, failed: quota exceeded" in found


def test_what_is_known_or_old_or_of_no_profile_is_not_told(tmp_path: Path) -> None:
    """A daemon may have said it better; yesterday's failure is over; a profile may have gone."""
    assert failures(tmp_path / "a", failed(), told={"profile fast"}) == []
    assert failures(tmp_path / "b", failed(started=NOON - timedelta(days=2))) == []
    assert failures(tmp_path / "c", failed(profile="gone")) == []


def test_without_a_log_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """Not yet written, or switched off."""
    off = configured(tmp_path, enabled=False)

    assert list(last_failures(configured(tmp_path), {}, LATER, told=set())) == []
    (tmp_path / "log").mkdir()
    assert list(last_failures(off, {}, LATER, told=set())) == []
