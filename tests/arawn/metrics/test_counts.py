"""Counting: what is added where."""

from __future__ import annotations

import random

import pytest

from arawn.messages import Usage
from arawn.metrics.counts import Counts, Histogram, ProfileCounts


def test_a_bound_is_in_its_own_bucket() -> None:
    """As Prometheus defines `le`; what is above all bounds is in the last one only."""
    histogram = Histogram((1.0, 5.0))
    for value in (0.0, 1.0, 1.5, 5.0, 6.0):
        histogram.add(value)

    assert list(histogram.cumulative()) == [(1.0, 2), (5.0, 4), (None, 5)]
    assert histogram.total == 13.5


@pytest.mark.parametrize("seed", range(5))
def test_a_histogram_agrees_with_a_recount(seed: int) -> None:
    """Whatever the values."""
    source = random.Random(seed)
    bounds = tuple(sorted(source.sample(range(1, 100), 7)))
    values = [source.uniform(0, 120) for _ in range(200)]
    histogram = Histogram(bounds)
    for value in values:
        histogram.add(value)

    recount = [(bound, sum(value <= bound for value in values)) for bound in bounds]
    assert list(histogram.cumulative()) == [*recount, (None, len(values))]


def test_a_retry_is_an_attempt_after_the_first() -> None:
    """The first attempt is none, whatever became of it; it alone says how long the call was queued."""
    counts = ProfileCounts()
    counts.count_attempt("error", number=1, waited=0.5, first_token=None, usage=None)
    counts.count_attempt("error", number=2, waited=3.0, first_token=None, usage=None)
    counts.count_attempt("ok", number=3, waited=6.0, first_token=0.2, usage=Usage(input_tokens=3, output_tokens=2))

    assert counts.retries == 2
    assert counts.queue_seconds.total == 0.5
    assert counts.attempts == {"ok": 1, "error": 2, "cancelled": 0, "partial": 0}
    assert (counts.tokens["input"], counts.tokens["output"], counts.tokens["reasoning"]) == (3, 2, 0)
    assert [count for _, count in counts.first_token_seconds.cumulative()][-1] == 1


def test_the_numbers_of_a_profile_stay_its_own() -> None:
    """Asked for again they are the same ones; another profile's are others."""
    counts = Counts()
    counts.of("a").count_call("ok", seconds=1.0)

    assert counts.of("a").calls["ok"] == 1
    assert counts.of("b").calls["ok"] == 0
    assert [name for name, _ in counts] == ["a", "b"]
