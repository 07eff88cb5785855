"""What may happen in a random run: a provider, callers, a disk, and what befalls them, each with its time."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

Does = Literal["answer", "late", "busy", "wait", "refuse", "lost", "garbage", "cut", "hang", "own fault"]
"""What the provider does with a request."""

DOES: tuple[Does, ...] = ("answer", "late", "busy", "wait", "refuse", "lost", "garbage", "cut", "hang", "own fault")
DISK_FAULTS = (errno.ENOSPC, errno.EIO, errno.EROFS)


@dataclass(frozen=True)
class Caller:
    """One call: when, whether streamed, when it is given up, and how long its reader takes over each word."""

    at: float
    streams: bool
    patience: float | None
    pace: float


@dataclass(frozen=True)
class Outage:
    """The disk between two moments: each of its operations takes `slow` seconds more, or fails with `error`."""

    begin: float
    end: float
    slow: float
    error: int | None


@dataclass(frozen=True)
class Plan:
    """One run. `stop` is when the runtime is left, with whatever is under way."""

    does: tuple[Does, ...]
    callers: tuple[Caller, ...]
    outages: tuple[Outage, ...]
    crashes: tuple[float, ...]
    reloads: tuple[float, ...]
    stop: float
    workers: int
    mailbox: int
    attempts: int
    sync: str
    overflow: str
    answer_wait_ms: int


SECONDS = st.integers(1, 30).map(float)  # from the first second on it runs
SOON = st.sampled_from([0.0, 0.05, 0.5, 3.0, 20.0])

CALLERS = st.builds(
    Caller, at=SECONDS, streams=st.booleans(), patience=st.none() | SOON, pace=st.sampled_from([0.0, 0.0, 2.0])
)
OUTAGES = st.builds(
    lambda begin, lasts, slow, error: Outage(begin, begin + lasts, slow, error),
    begin=SECONDS,
    lasts=SOON | st.just(10_000.0),
    slow=st.sampled_from([0.0, 0.1, 4.0]),
    error=st.none() | st.sampled_from(DISK_FAULTS),
)
PLANS = st.builds(
    Plan,
    does=st.lists(st.sampled_from(DOES), min_size=1, max_size=12).map(tuple),
    callers=st.lists(CALLERS, min_size=1, max_size=12).map(tuple),
    outages=st.lists(OUTAGES, max_size=3).map(tuple),
    crashes=st.lists(SECONDS, max_size=3).map(tuple),
    reloads=st.lists(SECONDS, max_size=2).map(tuple),
    stop=st.sampled_from([5.0, 20.0, 40.0, 90.0, 2_000.0, 2_000.0]),
    workers=st.integers(1, 4),
    mailbox=st.integers(1, 3),
    attempts=st.integers(1, 4),
    sync=st.sampled_from(["group", "always", "off"]),
    overflow=st.sampled_from(["block", "shed_bodies"]),
    answer_wait_ms=st.sampled_from([0, 200, 2_000]),
)
