"""Syncs files in a thread that owns nothing else of them.

A job belongs to whoever takes it off the queue: the thread that runs it, or the writer if no thread ever did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from arawn.interactions.directory import ClaimedDirectory, misplaced
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.part import Part

__all__ = ["SyncJob", "SyncOutcome", "drop_sync_jobs", "make_sync_jobs", "run_sync_jobs"]


class SyncJob(msgspec.Struct, frozen=True):
    """One file: its own descriptor, the claim on its directory, and how many of the part's unsynced lines become safe.

    None: it is only looked whether readers find the file, and other writers the lock.
    """

    part: Part
    fd: int
    directory: ClaimedDirectory
    count: int | None


SyncOutcome = tuple[SyncJob, OSError | None]


def make_sync_jobs(
    filesystem: Filesystem, directory: ClaimedDirectory, parts: Iterable[Part], *, only_look: bool = False
) -> deque[SyncJob]:
    """Return a job for each part with lines to sync; for each part there is with `only_look`.

    Raises:
        OSError: The process has no descriptor left; no job is.
    """
    jobs: deque[SyncJob] = deque()
    try:
        for part in parts:
            if only_look or part.dirty:
                count = None if only_look else len(part.unsynced)
                jobs.append(SyncJob(part, filesystem.dup(part.fd), directory, count))
    except OSError:
        drop_sync_jobs(filesystem, jobs)
        raise
    return jobs


def run_sync_jobs(filesystem: Filesystem, jobs: deque[SyncJob]) -> list[SyncOutcome]:
    """Do each job; return each one's failure. Touches only the jobs' descriptors, so any thread may run it."""
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
            if job.count is not None:
                filesystem.fdatasync(job.fd)
            return misplaced(filesystem, job.directory, job.part.file.name, job.fd)
        finally:
            filesystem.close(job.fd)
    except OSError as error:
        return error
