"""Each record is an event of the standard logging, whose set-up is the program's own and may be broken."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from trio.testing import MockClock

from arawn.messages import CallContext, RoutingMetadata
from tests.arawn.interactions.samples import note, record, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem
from tests.arawn.interactions.test_writer import opened


async def test_each_record_is_a_logging_event_without_content(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """`arawn.interactions`, INFO: numbers and names only."""
    caplog.set_level(logging.INFO, "arawn.interactions")
    async with opened(SimulatedFilesystem()) as writer:
        routed = CallContext(session_id="s-1", routing=RoutingMetadata("fast", "Default"))
        await writer.handle([note(1), record(1), record(2, context=routed)])

    plain, second = caplog.records
    assert plain.getMessage() == (
        f"LLM interaction id={record(1).id} status=ok session=s-1 model=llama input_tokens=5 output_tokens=7 "
        "tool_calls=0 duration_ms=10 routing_profile=none"
    )
    assert vars(second)["routing_profile"] == "fast"


def a_factory_with_a_session(*args: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord(*args, **more)  # type: ignore[arg-type]
    vars(made)["session"] = "the program's own"
    return made


def raise_for_events(made: logging.LogRecord) -> bool:
    if made.name == "arawn.interactions":
        raise RuntimeError("no such topic")
    return True


def raise_always(made: logging.LogRecord) -> bool:
    raise RuntimeError(made.name)


@pytest.mark.parametrize(
    ("factory", "rule", "said"),
    [
        (a_factory_with_a_session, None, "KeyError"),
        (logging.LogRecord, raise_for_events, "RuntimeError: no such topic"),
        (logging.LogRecord, raise_always, None),
    ],
)
async def test_a_logging_event_that_fails_costs_no_line(
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    factory: Callable[..., logging.LogRecord],
    rule: Callable[[logging.LogRecord], bool] | None,
    said: str | None,
) -> None:
    """A record factory, filter or handler that raises is named once, where that can be said; every line counts."""
    caplog.set_level(logging.INFO, "arawn.interactions")
    monkeypatch.setattr(logging, "_logRecordFactory", factory)
    if rule is not None:
        monkeypatch.setattr(caplog.handler, "filters", [rule])
    filesystem = SimulatedFilesystem()
    async with opened(filesystem) as writer:
        assert await writer.handle([record(1), record(2)]) == [None, None]
        assert await writer.handle([record(3)]) == [None]
        assert writer.health.value.state == "ok"

    assert [line["kind"] for line in whole_lines(filesystem.files())].count("interaction") == 3
    warnings = [found.getMessage() for found in caplog.records if found.name == "arawn.log"]
    assert len(warnings) == (said is not None)
    assert all(str(said) in warning and record(1).id in warning and "`session`" in warning for warning in warnings)
