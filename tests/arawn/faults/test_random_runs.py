"""No call without a record, no caller without an answer, nothing left behind: whatever happens, in whatever order."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from trio.testing import MockClock

from arawn.errors import BackendError
from arawn.messages import CompletionResponse
from tests.arawn.faults.plans import PLANS, Caller, Plan
from tests.arawn.faults.random_run import Ran, carry_out
from tests.runtimes import records

_HUNG_S = 8.0
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a run syncs twenty times; its disk is a played one
RUNS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.fixture(autouse=True, scope="module")
def _unheard() -> Iterator[None]:
    """Thousands of faults are not worth the memory of their log lines."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # counted, not walked


def run(plan: Plan) -> tuple[Ran, dict[str, dict[str, object]]]:
    """Carry out one plan in a loop of its own and hold it against every promise; return what came of it.

    A disk that hangs keeps what its threads have in hand; everything else is given back.
    """
    before = descriptors()
    hung = sum(outage.slow for outage in plan.outages) >= _HUNG_S
    with tempfile.TemporaryDirectory(dir=_MEMORY) as name:
        directory = Path(name)
        ran = trio.run(_left_clean, plan, directory, clock=MockClock(autojump_threshold=0))
        written = {record["id"]: record for record in records(directory)}  # a failed sync writes some twice
    _check_callers(plan, ran)
    _check_records(ran, written, hung=hung, failed=any(outage.error for outage in plan.outages))
    assert ran.open_bodies == 0
    assert hung or descriptors() == before
    return ran, written


async def _left_clean(plan: Plan, directory: Path) -> Ran:
    before = trio.lowlevel.current_statistics().tasks_living
    ran = await carry_out(plan, directory)
    assert trio.lowlevel.current_statistics().tasks_living == before
    return ran


def _check_callers(plan: Plan, ran: Ran) -> None:
    """Every caller got a value or a typed error, unless it left by itself."""
    assert len(ran.ended) == len(plan.callers)
    for number, caller in enumerate(plan.callers):
        assert ran.ended[f"call {number}"] is not None or caller.patience is not None


def _check_records(ran: Ran, written: dict[str, dict[str, object]], *, hung: bool, failed: bool) -> None:
    """Every attempt is in the log or reported lost; the provider was never asked without an attempt.

    A record may be both: after a failed sync nobody knows what the disk has, and one that `hung` may still write.
    """
    of_call = Counter(record["session_id"] for record in written.values())
    assert len(written) <= ran.attempts <= len(written) + ran.lost
    assert not ran.lost or hung or failed
    assert ran.asked.total() <= ran.attempts
    for name, ended in ran.ended.items():
        assert ran.asked[name] <= of_call[name] + ran.lost
        if isinstance(ended, CompletionResponse | BackendError) and ended.interaction_id is not None:
            assert ended.interaction_id in written or ran.lost


@given(plan=PLANS)
@settings(RUNS, max_examples=40)
def test_no_call_without_a_record_and_no_caller_without_an_answer(plan: Plan) -> None:
    """40 random runs with faults, cancellations, crashes, reloads, bad disks and stops."""
    run(plan)


@pytest.mark.slow
@pytest.mark.parametrize("tenth", range(10))
@given(plan=PLANS)
@settings(RUNS, max_examples=500)
def test_five_thousand_random_runs_lose_nothing(tenth: int, plan: Plan) -> None:
    """As above, in CI's long job, ten times 500: of one long test all but one processor would only wait for the end."""
    run(plan)


def test_a_run_in_which_nothing_happens_loses_nothing() -> None:
    """The checks themselves are right: one caller, one answer, one record."""
    one = Caller(at=1.0, streams=False, patience=None, pace=0.0)
    quiet = Plan(("answer",), (one,), (), (), (), 9.0, 1, 1, 1, "group", "block", 2_000)

    ran, written = run(quiet)

    (ended,) = ran.ended.values()
    assert isinstance(ended, CompletionResponse)
    assert [ended.interaction_id] == list(written)
    assert (ran.attempts, ran.asked.total(), ran.lost) == (1, 1, 0)
    with pytest.raises(AssertionError):
        _check_records(ran, {}, hung=False, failed=False)
    ran.ended["call 0"] = None
    with pytest.raises(AssertionError):
        _check_callers(quiet, ran)
