"""Every metric there is: its name, its meaning, and where its numbers come from. Pure.

What happened is counted (`Counts`); what is the case is taken from the same status that `arawn status` shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import get_args, get_type_hints

from arawn.backends.health import BackendHealth
from arawn.interactions.health import LogHealth
from arawn.metrics.counts import Counts, Histogram, ProfileCounts
from arawn.metrics.exposition import Family, Sample, histogram_samples
from arawn.status import BackendStatus, RuntimeStatus

__all__ = ["families"]

_HEALTHS = get_args(get_type_hints(BackendHealth)["state"])
_LOG_STATES = get_args(get_type_hints(LogHealth)["state"])


def families(status: RuntimeStatus, counts: Counts) -> Iterator[Family]:
    """Yield every metric with its samples."""
    yield from _of_the_whole(status)
    yield from _of_the_log(status)
    yield from _of_backends(status)
    yield from _of_calls(list(counts))


def _of_the_whole(status: RuntimeStatus) -> Iterator[Family]:
    yield Family("arawn_info", "gauge", "Always 1; the version is a label.", [Sample({"version": status.version}, 1)])
    yield Family("arawn_uptime_seconds", "gauge", "Seconds since the start.", [Sample({}, round(status.uptime_s, 3))])
    active = [Sample({}, len(status.active_workstreams))]
    yield Family("arawn_workstreams_active", "gauge", "Workstreams in memory.", active)
    lasting = [child for child in status.tree.children if child.kind == "actor"]  # backends have a metric of their own
    restarts = [Sample({"actor": child.name}, child.restarts) for child in lasting]
    yield Family("arawn_actor_restarts_total", "counter", "Restarts of each lasting part.", restarts)


def _of_the_log(status: RuntimeStatus) -> Iterator[Family]:
    enabled = status.log.path is not None
    health = status.log.health
    yield Family("arawn_log_enabled", "gauge", "1 if calls are logged.", [Sample({}, int(enabled))])
    states = [Sample({"state": state}, int(enabled and health.state == state)) for state in _LOG_STATES]
    yield Family("arawn_log_state", "gauge", "1 for the state that the interaction log is in.", states)
    lost = [Sample({}, health.count if health.state == "lost" else 0)]
    yield Family("arawn_log_lost_records_total", "counter", "Records that will never be written.", lost)


def _of_backends(status: RuntimeStatus) -> Iterator[Family]:
    every = status.backends

    def with_draining(number: Callable[[BackendStatus], int]) -> list[Sample]:
        sums: Counter[str] = Counter()
        for backend in (*every, *status.draining):
            sums[backend.profile] += number(backend)
        return [Sample({"profile": profile}, total) for profile, total in sums.items()]

    healths = [
        Sample({"profile": backend.profile, "state": state}, int(backend.health == state))
        for backend in every
        for state in _HEALTHS
    ]
    yield Family("arawn_backend_health", "gauge", "1 for the state that the backend is in.", healths)
    queued = with_draining(lambda backend: backend.queued)
    yield Family("arawn_queue_depth", "gauge", "Calls that wait for a worker.", queued)
    in_hand = with_draining(lambda backend: backend.in_hand)
    yield Family("arawn_calls_in_flight", "gauge", "Calls under way.", in_hand)
    meaning = "Restarts of the backend since it was configured so."
    restarts = [Sample({"profile": backend.profile}, backend.restarts) for backend in every]
    yield Family("arawn_backend_restarts_total", "counter", meaning, restarts)


def _of_calls(every: list[tuple[str, ProfileCounts]]) -> Iterator[Family]:
    calls = [Sample({"profile": name, "status": key}, n) for name, c in every for key, n in c.calls.items()]
    yield Family("arawn_calls_total", "counter", "Calls that have ended, by how.", calls)
    refused = [Sample({"profile": name}, c.refused) for name, c in every]
    yield Family("arawn_calls_refused_total", "counter", "Calls that were not taken: the mailbox was full.", refused)
    attempts = [Sample({"profile": name, "status": key}, n) for name, c in every for key, n in c.attempts.items()]
    yield Family("arawn_attempts_total", "counter", "Attempts at calls, by the status of their records.", attempts)
    retries = [Sample({"profile": name}, c.retries) for name, c in every]
    yield Family("arawn_retries_total", "counter", "Attempts after the first.", retries)
    tokens = [Sample({"profile": name, "kind": key}, n) for name, c in every for key, n in c.tokens.items()]
    yield Family("arawn_tokens_total", "counter", "Tokens, as providers reported them.", tokens)
    yield _histogram(
        "arawn_call_duration_seconds",
        "From the sending of a call to its end, with queue and retries.",
        [(name, c.call_seconds) for name, c in every],
    )
    yield _histogram(
        "arawn_time_to_first_token_seconds",
        "From the beginning of a streamed attempt to its first token.",
        [(name, c.first_token_seconds) for name, c in every],
    )
    yield _histogram(
        "arawn_queue_duration_seconds",
        "From the sending of a call to its first attempt: behind others, for the start of its profile, by its limits.",
        [(name, c.queue_seconds) for name, c in every],
    )


def _histogram(name: str, meaning: str, every: Sequence[tuple[str, Histogram]]) -> Family:
    samples = [sample for profile, one in every for sample in histogram_samples({"profile": profile}, one)]
    return Family(name, "histogram", meaning, samples)
