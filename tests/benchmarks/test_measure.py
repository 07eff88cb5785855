"""The arithmetic of the benchmarks: medians, spreads, ratios, percentiles."""

from __future__ import annotations

from functools import partial

import pytest

from benchmarks.measure import ROUNDS, Comparison, Load, alternate, figure, percentile


def test_a_figure_is_the_median_with_the_whole_spread() -> None:
    """One slow round moves the spread, not the figure."""
    found = figure("wait", [3.0, 1.0, 2.0, 100.0, 2.5], "ms")

    assert (found.median, found.low, found.high) == (2.5, 1.0, 100.0)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: int) -> None:
    """The nearest rank: no value is made up between two others."""
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_a_percentile_of_one_value_is_that_value() -> None:
    """Few values do no harm."""
    assert percentile([7.0], 99) == 7.0


def _loads(*seconds: float) -> list[Load]:
    return [Load(100, each, cpu_seconds=each / 2) for each in seconds]


def _compared(ours: list[Load], theirs: list[Load], at_least: float) -> Comparison:
    """The first load of each is the warm-up."""
    contestants = {"ours": iter(ours), "theirs": iter(theirs)}
    runs = {name: (lambda loads=loads: next(loads)) for name, loads in contestants.items()}
    return alternate("which is faster?", runs, target=f">= {at_least} x", at_least=at_least)


@pytest.mark.slow
def test_the_ratio_is_the_median_of_the_ratios_round_by_round() -> None:
    """Rounds are compared with the round beside them, so a slow minute slows both."""
    ours = _loads(99, 1, 10, 1, 1, 1)
    theirs = _loads(99, 2, 20, 2, 4, 1)

    found = _compared(ours, theirs, at_least=2.0)

    assert (found.ratio, found.ratio_low, found.ratio_high) == (2.0, 1.0, 4.0)
    assert found.met


@pytest.mark.slow
def test_a_load_that_times_itself_is_believed() -> None:
    """What a run does before and after its load counts for nothing."""
    found = _compared(_loads(*[1] * 6), _loads(*[4] * 6), at_least=5.0)

    assert [row.per_second for row in found.rows] == [100.0, 25.0]
    assert [row.cpu_us for row in found.rows] == [5_000.0, 20_000.0]
    assert (found.ratio, found.met) == (4.0, False)


@pytest.mark.slow
def test_every_contestant_is_warmed_up_once_and_then_takes_turns() -> None:
    """Drift of the machine hits all alike."""
    order: list[str] = []

    def run(name: str) -> int:
        order.append(name)
        return 1

    runs = {name: partial(run, name) for name in ("ours", "theirs")}

    alternate("", runs, target="", at_least=0)

    assert order == ["ours", "theirs"] * (1 + ROUNDS)
