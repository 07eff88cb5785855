"""Any sequence of operations, failures, kills, power losses and clock steps, beside a model of what must be there."""

from __future__ import annotations

import contextlib
import errno
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from arawn.interactions.files import parse_name
from tests.arawn.interactions.samples import Clock, decoded, note, notes_of, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error
from tests.arawn.interactions.simulated_log import opened

CODES = st.sampled_from([errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
ONE = st.one_of(
    st.just([None]),
    CODES.map(lambda code: [os_error(code)]),
    st.tuples(st.integers(1, 150), CODES).map(lambda pair: [os_error(pair[1]), pair[0]]),  # a short write, no more
)
FAULTS = st.lists(ONE, min_size=1, max_size=4).map(lambda many: [verdict for one in many for verdict in one])
FAILING = ("write", "fdatasync", "open")


class LogMachine(RuleBasedStateMachine):
    """The model: numbers taken, of those the acknowledged ones, of those the synced ones.

    `distrusted` are files whose sync had failed in a process that was killed before it wrote their lines again: the
    system believes these to be on the disk, so that no later sync saves them, and the next process cannot know. What it
    adds to such a file is no better off in this simulation, which forgets it all; a kernel writes at least that.
    """

    log: DayLog

    @initialize()
    def start(self) -> None:
        self.filesystem, self.clock = SimulatedFilesystem(), Clock()
        self.taken, self.acknowledged, self.synced = list[int](), set[int](), set[int]()
        self.distrusted = set[str]()
        self.closed_days: dict[str, bytes] = {}
        self.next = 0
        self.log = opened(self.filesystem, self.clock)

    @rule(tape=FAULTS)
    def fail_soon(self, tape: list[OSError | int | None]) -> None:
        tape = list(tape)

        def fault(_: int, name: str) -> OSError | int | None:
            verdict = tape.pop() if tape and name in FAILING else None
            return verdict if name == "write" or isinstance(verdict, OSError) else None

        self.filesystem.fault = fault

    @rule(count=st.integers(1, 4), size=st.sampled_from([0, 50, 400]))
    def append(self, count: int, size: int) -> None:
        numbers = range(self.next, self.next + count)
        self.next = numbers.stop
        self.log.take([note(number, self.clock.at, "x" * size) for number in numbers])
        self.taken += numbers
        self.flush()

    @rule()
    def flush(self) -> None:
        with contextlib.suppress(LogWriteFailed):
            self.log.flush()
            self.acknowledged |= set(self.taken)

    @rule()
    def sync(self) -> None:
        with contextlib.suppress(LogWriteFailed):
            self.log.flush()
            self.acknowledged |= set(self.taken)
            self.log.sync()
            self.synced |= set(self.taken) - self._doubtful()

    @rule(hours=st.integers(-50, 50))
    def clock_steps(self, hours: int) -> None:
        self.clock.at += timedelta(hours=hours)

    @rule()
    def killed_and_opened_again(self) -> None:
        self.filesystem.kill()
        self._open_again(self.acknowledged)

    @rule()
    def power_lost_and_opened_again(self) -> None:
        self.filesystem.power_loss()
        self._open_again(self.synced)

    @rule()
    def closed_and_opened_again(self) -> None:
        self.filesystem.fault = no_fault
        self.log.close()
        self.acknowledged |= set(self.taken)
        self.synced |= set(self.taken) - self._doubtful()
        self._open_again(self.synced)

    def _open_again(self, promised: set[int]) -> None:
        self.filesystem.fault = no_fault
        self.log = opened(self.filesystem, self.clock)
        found = notes_of(whole_lines(self.filesystem.files()))
        assert promised <= set(found) <= set(self.taken)
        assert len(found) == len(set(found))
        self.taken, self.acknowledged, self.synced = found, set(found), set[int]()
        self.distrusted = set(self.filesystem.files_with_lost_pages())
        self.closed_days.clear()

    def _doubtful(self) -> set[int]:
        files = {name: data for name, data in self.filesystem.files().items() if name in self.distrusted}
        return set(notes_of(whole_lines(files)))

    @invariant()
    def nothing_is_spliced(self) -> None:
        """Every line but the last of a file is whole at any moment."""
        if hasattr(self, "filesystem"):
            decoded(line for data in self.filesystem.files().values() for line in data.splitlines(keepends=True)[:-1])

    @invariant()
    def closed_days_stay_closed(self) -> None:
        """A file of a day before the newest one never grows, unless its lines were never synced."""
        if not hasattr(self, "log"):
            return
        files = {file: data for name, data in self.filesystem.files().items() if (file := parse_name(name)) is not None}
        newest = max(files).day
        for file, data in files.items():
            before = self.closed_days.get(file.name)
            assert before is None or len(data) <= len(before), f"{file.name} was written to after its day"
            if file.day < newest:
                self.closed_days.setdefault(file.name, data)


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)


class LongLogMachine(LogMachine):
    """The same, in CI's long job."""


TestLongLogMachine = pytest.mark.slow(LongLogMachine.TestCase)
TestLongLogMachine.settings = settings(max_examples=1_000, stateful_step_count=25, deadline=None)
