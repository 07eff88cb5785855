"""Syncs files in a thread that owns nothing else of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from arawn.interactions.filesystem import Filesystem
from arawn.interactions.part import Part

__all__ = ["SyncJob", "run_sync_jobs"]


class SyncJob(msgspec.Struct, frozen=True):
    """One file to sync: its own descriptor, and how many of the part's unsynced lines that makes safe."""

    part: Part
    fd: int
    count: int


def run_sync_jobs(filesystem: Filesystem, jobs: Sequence[SyncJob]) -> list[OSError | None]:
    """Sync each file; return each one's failure. Touches only the jobs' descriptors, so any thread may run it."""
    return [_run_sync_job(filesystem, job) for job in jobs]


def _run_sync_job(filesystem: Filesystem, job: SyncJob) -> OSError | None:
    try:
        try:
            filesystem.fdatasync(job.fd)
        finally:
            filesystem.close(job.fd)
    except OSError as error:
        return error
    return None
