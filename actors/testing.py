"""Tools that find what example tests cannot: other schedules, cancellation and crashes at every step, leaks.

| tool | what it does | finds |
| --- | --- | --- |
| `run_taped` | runs a program under a schedule given by numbers, in virtual time | races |
| `step_sweep` | runs a scenario once for each step of a task, and acts just before that step | lost clean-up |
| `crash_sweep` | runs a scenario once for each point it marks, and raises there | lost callers |
| `no_leaks` | compares tasks before and after, and looks for mailboxes still open | orphans |
| `GuestHost` | lets a synchronous test drive a trio run by hand | broken models, with Hypothesis' state machines |

Each run has a `trio.testing.MockClock`: sleeping costs no time, and the same numbers give the same run.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableSequence
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock

import trio
from trio._core import _run as _scheduler  # the one private seam: where trio keeps its source of randomness
from trio.testing import MockClock

from actors._guest_host import GuestHost, Job
from actors._mailbox import Mailbox

__all__ = ["AtStep", "CrashPoints", "GuestHost", "Job", "Tape", "crash_sweep", "no_leaks", "run_taped", "step_sweep"]

T = TypeVar("T")

_RUN_LIMIT_S = 86_400.0  # virtual seconds: some task waits for ever


class Tape(random.Random):
    """The scheduler's source of randomness, fed by numbers: 0 keeps the natural order, so shrinking calms a schedule.

    Draw the whole tape before the run; once it is used up, the order stays natural.
    """

    def __init__(self, draws: Iterable[int]) -> None:
        super().__init__(0)
        self._draws = list(draws)[::-1]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Order one batch of runnable tasks; the scheduler takes them from the end."""
        for last in range(len(x) - 1, 0, -1):
            chosen = last - (self._draws.pop() if self._draws else 0) % (last + 1)
            x[last], x[chosen] = x[chosen], x[last]
        x.reverse()


def run_taped(
    main: Callable[[], Awaitable[T]], draws: Iterable[int] = (), *, instruments: Iterable[trio.abc.Instrument] = ()
) -> T:
    """Run `main` in virtual time under the schedule that `draws` gives, and check that it leaves nothing behind.

    Args:
        main: An async function without arguments.
        draws: Numbers >= 0, one for each choice that the scheduler has.
        instruments: As for `trio.run`.

    Raises:
        trio.TooSlowError: A virtual day has passed: some task waits for ever.
    """

    async def checked() -> T:
        with _no_tasks_left(), trio.fail_after(_RUN_LIMIT_S):
            return await main()

    clock = MockClock(autojump_threshold=0)
    with mock.patch.multiple(_scheduler, _r=Tape(draws), _ALLOW_DETERMINISTIC_SCHEDULING=True):
        return trio.run(checked, clock=clock, instruments=list(instruments))


def no_action() -> None:
    """Do nothing: the action of an `AtStep` until a scenario sets another."""


class AtStep(trio.abc.Instrument):
    """Calls `action` just before one step of a task.

    Attributes:
        action: What to do there; a scenario sets it as soon as it has something to act on, before the task runs.
        seen: How many steps the task has made.
        error: What the action raised.
    """

    def __init__(self, task: str, step: int | None) -> None:
        self.action: Callable[[], object] = no_action
        self.seen = 0
        self.error: Exception | None = None
        self._task = task
        self._step = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count; trio drops an instrument that raises, so an error of the action is kept for later."""
        if task.name != self._task:
            return
        self.seen += 1
        if self.seen == self._step:
            try:
                self.action()
            except Exception as error:  # noqa: BLE001  # `step_sweep` raises it
                self.error = error


def step_sweep(scenario: Callable[[AtStep], Awaitable[object]], *, task: str) -> int:
    """Run `scenario` once to count the steps of `task`, then once for each step, acting just before it.

    Args:
        scenario: Gets the `AtStep` and sets its `action`: a cancel scope's `cancel`, a stop, a crash. It holds the
            assertions, and runs in virtual time.
        task: A task's name: for an actor its path (`root/log`), else what `start_soon` was given as `name`.

    Returns:
        How many steps there were.

    Raises:
        AssertionError: No task of that name made a step, or the scenario set no action: the sweep would prove nothing.
        Exception: What the scenario raised; a note names the step.
    """
    steps = _run_at_step(scenario, AtStep(task, None))
    if not steps:
        raise AssertionError(f"no task called `{task}` made a step: actors are called by their path, as `root/log`")
    for step in range(1, steps + 1):
        with _noted(f"`step_sweep` acted before step {step} of {steps} of the task `{task}`"):
            _run_at_step(scenario, AtStep(task, step))
    return steps


@contextmanager
def _noted(note: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(note)
        raise


def _run_at_step(scenario: Callable[[AtStep], Awaitable[object]], at_step: AtStep) -> int:
    async def main() -> None:
        await scenario(at_step)

    run_taped(main, instruments=[at_step])
    if at_step.seen and at_step.action is no_action:
        raise AssertionError("the scenario sets no `action`: nothing would happen at any step")
    if at_step.error is not None:
        raise at_step.error
    return at_step.seen


class CrashPoints:
    """Points where code under test may crash: `reach` counts them, and raises `RuntimeError` at the chosen one."""

    def __init__(self, chosen: int | None) -> None:
        self.seen = 0
        self._chosen = chosen

    def reach(self) -> None:
        """Pass a point, or crash there: the chosen one raises `RuntimeError`."""
        self.seen += 1
        if self.seen == self._chosen:
            raise RuntimeError(f"planted crash at point {self.seen}")


def crash_sweep(scenario: Callable[[CrashPoints], Awaitable[object]]) -> int:
    """Run `scenario` once to count its crash points, then once for each, crashing there; return how many there were.

    The handlers, starts and clean-ups under test call `reach`; what the scenario itself calls it for, it must expect.

    Raises:
        AssertionError: The scenario reached no point: the sweep would prove nothing.
        Exception: What the scenario raised; a note names the point.
    """
    points = CrashPoints(None)
    run_taped(lambda: scenario(points))
    if not points.seen:
        raise AssertionError("the scenario reached no crash point")
    for chosen in range(1, points.seen + 1):
        crashing = CrashPoints(chosen)
        with _noted(f"`crash_sweep` crashed at point {chosen} of {points.seen}"):
            run_taped(lambda crashing=crashing: scenario(crashing))  # type: ignore[misc]  # binds early
    return points.seen


@contextmanager
def no_leaks() -> Iterator[None]:
    """Check that no task outlives the block, and that no actor's mailbox is still open after it.

    Raises:
        AssertionError: Names the tasks or mailboxes.
    """
    with _no_tasks_left():
        yield
    mailboxes = [box.owner for box in gc.get_objects() if type(box) is Mailbox and not box.finished]
    assert not mailboxes, f"mailboxes are still open: {mailboxes}"


@contextmanager
def _no_tasks_left() -> Iterator[None]:
    before = set(_tasks())
    yield
    tasks = [task.name for task in _tasks() if task not in before]
    assert not tasks, f"tasks outlived the block: {tasks}"


def _tasks() -> Iterator[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    pending = [] if root is None else [root]
    while pending:
        task = pending.pop()
        yield task
        pending += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
