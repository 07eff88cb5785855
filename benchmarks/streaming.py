"""What does Arawn add to each token of 500 streams that come at a model's pace, and does it lose or merge any?

The upstream writes into every piece when it sent it, so both contestants know how long each was under way: Arawn
(actor, backend, parser, events, record) and, beside it, bare trio streams that look for the same numbers in the raw
bytes. What Arawn adds is the difference of their 99th percentiles, round by round, while all streams are under way.
"""

from __future__ import annotations

import gc
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import trio

from arawn import open_runtime
from arawn.collector import calm_collector
from arawn.config.schema import Config
from arawn.messages import Completed, CompletionRequest, TextDelta, user
from arawn.runtime_door import Runtime
from benchmarks.completion import check_records, configured
from benchmarks.load import post
from benchmarks.measure import ROUNDS, Figure, Finding, figure, percentile
from benchmarks.upstream import PACE, PIECES, REQUEST_TEXT, open_upstream

STREAMS = 500
RAMP_S = 1.5
_MARK = re.compile(rb'"content": ?"(\d+) (\d+) "')
_STREAM_REQUEST = msgspec.json.encode(
    {"model": "m", "stream": True, "messages": [{"role": "user", "content": REQUEST_TEXT}]}
)


class _Seen:
    """What one round has seen: how long each piece was under way, and pieces that are not what they should be."""

    def __init__(self) -> None:
        self.waits_ms: list[float] = []
        self.steady_ms: list[float] = []
        self.wrong = 0
        self._began_ns = time.monotonic_ns()

    def piece(self, expected: int, number: int, sent_ns: int) -> None:
        wait_ms = (time.monotonic_ns() - sent_ns) / 1e6
        self.waits_ms.append(wait_ms)
        if RAMP_S < (sent_ns - self._began_ns) / 1e9 < PIECES * PACE:
            self.steady_ms.append(wait_ms)
        self.wrong += number != expected


async def _through_arawn(runtime: Runtime, seen: _Seen) -> None:
    request = CompletionRequest(messages=(user(REQUEST_TEXT),))
    arrived = 0
    async with runtime.stream(request) as events:
        async for event in events:
            match event:
                case TextDelta(text=text):
                    words = text.split()  # two numbers; more if events were merged
                    seen.piece(arrived, int(words[0]) if len(words) == 2 else -1, int(words[1]))
                    arrived += 1
                case Completed():
                    seen.wrong += abs(arrived - PIECES)


async def _bare(port: int, seen: _Seen) -> None:
    arrived = 0
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(post("/v1/chat/completions", _STREAM_REQUEST))
        async for data in stream:
            for number, sent in _MARK.findall(data):
                seen.piece(arrived, int(number), int(sent))
                arrived += 1
            if data.endswith(b"\r\n0\r\n\r\n"):
                break
    seen.wrong += abs(arrived - PIECES)


async def _all(stream: Callable[[_Seen], Awaitable[None]]) -> _Seen:
    """Run all streams, their starts spread over a little less than the ramp."""
    seen = _Seen()
    async with trio.open_nursery() as nursery:
        for _ in range(STREAMS):
            nursery.start_soon(stream, seen)
            await trio.sleep(0.8 * RAMP_S / STREAMS)
    return seen


async def _arawn_round(config: Config) -> _Seen:
    async with open_runtime(config, environ={}) as runtime:
        return await _all(partial(_through_arawn, runtime))


async def _bare_round(port: int) -> _Seen:
    return await _all(partial(_bare, port))


class _Contestant:
    """What one contestant showed, a value a round."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.p99: list[float] = []
        self.wrong = 0
        self._p50: list[float] = []
        self._whole_p99: list[float] = []
        self._cpu_us: list[float] = []

    def run(self, main: Callable[..., Awaitable[_Seen]], *arguments: object) -> None:
        gc.collect()
        used = time.process_time()
        seen = trio.run(main, *arguments)
        self._cpu_us.append((time.process_time() - used) / len(seen.waits_ms) * 1e6)
        self.p99.append(percentile(seen.steady_ms, 99))
        self._p50.append(percentile(seen.steady_ms, 50))
        self._whole_p99.append(percentile(seen.waits_ms, 99))
        self.wrong += seen.wrong

    def figures(self) -> tuple[Figure, ...]:
        return (
            figure(f"{self._name}: p99", self.p99, "ms"),
            figure(f"{self._name}: median", self._p50, "ms"),
            figure(f"{self._name}: p99, starts and ends of streams counted in", self._whole_p99, "ms"),
            figure(f"{self._name}: processor time a token", self._cpu_us, "µs"),
        )


def run() -> Iterator[Finding]:
    """Compare in turns; with the collector as Python sets it, then as `arawn start` sets it: two results."""
    yield _compared("the collector as Python sets it")
    calm_collector()
    yield _compared("the collector as `arawn start` sets it")


def _compared(collector: str) -> Finding:
    ours, bare = _Contestant("Arawn"), _Contestant("bare trio streams")
    with open_upstream() as upstream:
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as directory:
                ours.run(_arawn_round, configured(Path(directory), upstream.address, at_once=STREAMS))
                check_records(Path(directory), STREAMS)
            bare.run(_bare_round, upstream.port)
    added = figure("added to a token, p99", [a - b for a, b in zip(ours.p99, bare.p99, strict=True)], "ms")
    wrong = figure("events lost, merged or out of order", [ours.wrong], "events")
    return Finding(
        f"{STREAMS} streams, a token every {PACE * 1000:g} ms each: {STREAMS / PACE:,.0f} tokens a second; {collector}",
        "<= 1 ms added to the p99; no event lost or merged",
        (added, wrong, *ours.figures(), *bare.figures()),
        added.median <= 1.0 and not ours.wrong,
    )
