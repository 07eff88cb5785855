"""The text of `/metrics`, read by the parser that Prometheus publishes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import actors
from arawn.interactions.health import LogHealth
from arawn.messages import Usage
from arawn.metrics.counts import Counts
from arawn.metrics.exposition import Family, Sample, written
from arawn.metrics.families import families
from arawn.status import BackendStatus, LogStatus, RuntimeStatus

parser = pytest.importorskip("prometheus_client.parser")

PAGE = Path("docs/operations.md").read_text("utf-8")


def backend(profile: str, **fields: Any) -> BackendStatus:
    usual = {"kind": "scripted", "model": None, "health": "ready", "reason": None, "since": None, "actor": "running"}
    numbers = {"queued": 0, "in_hand": 0, "restarts": 0, "last_crash": None}
    return BackendStatus(profile=profile, **{**usual, **numbers, **fields})


def status_of(*backends: BackendStatus, health: LogHealth | None = None, path: str | None = "/log") -> RuntimeStatus:
    children = (actors.Status(name="interaction-log", kind="actor", state="running", restarts=2),)
    return RuntimeStatus(
        version="1.2",
        pid=1,
        uptime_s=3.0,
        default_profile="default",
        log=LogStatus(path=path, health=health or LogHealth()),
        backends=backends,
        active_workstreams=("research",),
        tree=actors.Status(name="arawn", kind="supervisor", state="running", children=children),
    )


def parsed(status: RuntimeStatus, counts: Counts | None = None) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Return the value of every sample by name and labels."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    text = written(families(status, counts or Counts())).decode()
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            values = found.setdefault(sample.name, {})
            labels = frozenset(sample.labels.items())
            assert labels not in values, f"twice: {sample}"
            values[labels] = sample.value
    return found


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_the_status_is_in_the_metrics() -> None:
    """Queue, calls under way, restarts and health, by profile."""
    found = parsed(status_of(backend("default", queued=3, in_hand=2), backend("fast", health="degraded", restarts=4)))

    assert found["arawn_queue_depth"][labels(profile="default")] == 3
    assert found["arawn_calls_in_flight"][labels(profile="default")] == 2
    assert found["arawn_backend_restarts_total"][labels(profile="fast")] == 4
    assert found["arawn_backend_health"][labels(profile="fast", state="degraded")] == 1
    assert found["arawn_backend_health"][labels(profile="fast", state="ready")] == 0
    assert found["arawn_actor_restarts_total"] == {labels(actor="interaction-log"): 2}
    assert found["arawn_workstreams_active"] == {labels(): 1}


@pytest.mark.parametrize(("state", "count", "lost"), [("ok", 0, 0), ("degraded", 0, 0), ("lost", 7, 7)])
def test_the_state_of_the_log_is_in_the_metrics(state: Any, count: int, lost: int) -> None:
    """One state is 1, the others are 0; what is lost is counted."""
    found = parsed(status_of(health=LogHealth(state, "why", datetime.now(UTC), count)))

    states = {dict(key)["state"]: value for key, value in found["arawn_log_state"].items()}
    assert states == {name: float(name == state) for name in ("ok", "degraded", "lost")}
    assert found["arawn_log_lost_records_total"] == {labels(): lost}


def test_a_log_that_is_off_is_in_no_state() -> None:
    """Rather than in a good one."""
    found = parsed(status_of(path=None))

    assert found["arawn_log_enabled"] == {labels(): 0}
    assert set(found["arawn_log_state"].values()) == {0}


def test_the_counts_are_in_the_metrics() -> None:
    """Calls, attempts, retries, tokens, and three histograms whose last bucket is their count."""
    counts = Counts()
    fast = counts.of("fast")
    fast.count_attempt("error", number=1, waited=0.2, first_token=None, usage=None)
    fast.count_attempt("ok", number=2, waited=1.0, first_token=0.3, usage=Usage(input_tokens=7, output_tokens=3))
    fast.count_call("ok", seconds=1.5)
    fast.refused += 3
    found = parsed(status_of(backend("fast")), counts)

    assert found["arawn_calls_total"][labels(profile="fast", status="ok")] == 1
    assert found["arawn_attempts_total"][labels(profile="fast", status="error")] == 1
    assert found["arawn_calls_refused_total"] == {labels(profile="fast"): 3}
    assert found["arawn_retries_total"] == {labels(profile="fast"): 1}
    assert found["arawn_tokens_total"][labels(profile="fast", kind="input")] == 7
    for name, value in (("call_duration", 1.5), ("time_to_first_token", 0.3), ("queue_duration", 0.2)):
        assert found[f"arawn_{name}_seconds_sum"] == {labels(profile="fast"): value}
        assert found[f"arawn_{name}_seconds_count"] == {labels(profile="fast"): 1}
        assert found[f"arawn_{name}_seconds_bucket"][labels(profile="fast", le="+Inf")] == 1


def test_any_name_survives_the_format() -> None:
    """A profile may be called anything that TOML allows."""
    name = 'a\\b"c\nd é'
    found = parsed(status_of(backend(name)))

    assert labels(profile=name) in found["arawn_queue_depth"]


def test_a_family_without_samples_is_left_out() -> None:
    """A header alone says nothing."""
    assert written([Family("a", "gauge", "m", ()), Family("b", "gauge", "m", (Sample({}, 1),))]) == (
        b"# HELP b m\n# TYPE b gauge\nb 1\n"
    )


def test_names_are_by_convention_and_on_the_page() -> None:
    """Counters end in `_total`, histograms in a unit; each one has its row in docs/operations.md."""
    counts = Counts()
    counts.of("fast")
    every = list(families(status_of(backend("fast")), counts))

    assert all(family.name.startswith("arawn_") for family in every)
    assert all(family.name.endswith("_total") == (family.kind == "counter") for family in every)
    assert all(family.name.endswith("_seconds") for family in every if family.kind == "histogram")
    assert [family.name for family in every if f"`{family.name}`" not in PAGE] == []
