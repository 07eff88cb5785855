"""A short run that fails when a completion becomes much slower: on ratios, never on absolute figures."""

from __future__ import annotations

import pytest

from benchmarks import completion
from benchmarks.completion import _arawn, _bare_httpx, _complete, _direct
from benchmarks.load import open_loads
from benchmarks.measure import alternate
from benchmarks.upstream import open_upstream

CALLERS = 32


@pytest.mark.slow
def test_a_completion_stays_well_ahead_of_bare_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the 5 x that is the target, for a noisy machine; and the upstream is not what is measured."""
    monkeypatch.setattr(completion, "CALLS", 256)

    with open_upstream() as upstream, open_loads() as loads:
        ours = _arawn(_complete, upstream.address, CALLERS)
        beside_httpx = alternate(
            "", {"ours": ours, "httpx": _bare_httpx(upstream.address, CALLERS)}, target="", at_least=2.5
        )
        upstream_alone = alternate(
            "", {"upstream": _direct(upstream, loads, CALLERS), "ours": ours}, target="", at_least=5.0
        )

    assert beside_httpx.met, str(beside_httpx)
    assert upstream_alone.met, str(upstream_alone)
