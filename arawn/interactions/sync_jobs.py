"""Syncs files in a thread that owns nothing else of them.

A job belongs to whoever takes it off the queue: the thread that runs it, or the writer if no thread ever did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from arawn.interactions.filesystem import Filesystem
from arawn.interactions.part import Part

__all__ = ["SyncJob", "SyncOutcome", "drop_sync_jobs", "make_sync_jobs", "run_sync_jobs"]


class SyncJob(msgspec.Struct, frozen=True):
    """One file to sync: its own descriptor, and how many of the part's unsynced lines that makes safe."""

    part: Part
    fd: int
    count: int


SyncOutcome = tuple[SyncJob, OSError | None]


def make_sync_jobs(filesystem: Filesystem, parts: Iterable[Part]) -> deque[SyncJob]:
    """Return a job for each part with lines to sync.

    Raises:
        OSError: The process has no descriptor left; no job is.
    """
    jobs: deque[SyncJob] = deque()
    try:
        for part in parts:
            if part.dirty:
                jobs.append(SyncJob(part, filesystem.dup(part.fd), len(part.unsynced)))
    except OSError:
        drop_sync_jobs(filesystem, jobs)
        raise
    return jobs


def run_sync_jobs(filesystem: Filesystem, jobs: deque[SyncJob]) -> list[SyncOutcome]:
    """Sync each file; return each one's failure. Touches only the jobs' descriptors, so any thread may run it."""
    outcomes = []
    while (job := _next(jobs)) is not None:
        outcomes.append((job, _run_sync_job(filesystem, job)))
    return outcomes


def drop_sync_jobs(filesystem: Filesystem, jobs: deque[SyncJob]) -> list[SyncJob]:
    """Close the descriptors of the jobs that nobody has begun; return those jobs."""
    dropped = []
    while (job := _next(jobs)) is not None:
        filesystem.close(job.fd)
        dropped.append(job)
    return dropped


def _next(jobs: deque[SyncJob]) -> SyncJob | None:
    try:
        return jobs.popleft()  # one step: two threads never get the same job
    except IndexError:
        return None


def _run_sync_job(filesystem: Filesystem, job: SyncJob) -> OSError | None:
    try:
        try:
            filesystem.fdatasync(job.fd)
        finally:
            filesystem.close(job.fd)
    except OSError as error:
        return error
    return None
