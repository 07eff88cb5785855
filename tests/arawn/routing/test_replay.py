from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arawn.cli.route_replay import replayed_log
from arawn.config.schema import Config, Profile, RoutingConfig
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.record import InteractionRecord
from arawn.messages import Message, Text
from arawn.routing.features import RequestFeatures
from arawn.routing.layered import LayeredPolicy
from arawn.routing.logged import logged_request
from arawn.routing.replay import Replay, ReplayReport
from tests.arawn.routing.asking import asking, layered, rule
from tests.runtimes import configured, records, running, scripted

ECHO = Profile(backend="scripted")
PROFILES = {"default": ECHO, "fast": ECHO, "capable": ECHO}
SHORT = rule("short", "fast", message_length_lt=10)


def routed(directory: Path, **routing: Any) -> Config:
    return msgspec.structs.replace(
        configured(directory, PROFILES), routing=RoutingConfig(enabled=True, rules=(SHORT,), **routing)
    )


async def logged(directory: Path, config: Config | None = None) -> list[InteractionRecord]:
    async with running(config or routed(directory)) as runtime:
        await runtime.complete(asking("hi"))
        await runtime.complete(asking("something longer"))
        await runtime.complete(asking("hi"), profile="capable")
        await runtime.workstream("w", profile="capable").send("hi")
    return [entry.record() for entry in LogReader(directory / "log", on_damage=lambda _: None).oldest_first(Filters())]


def replayed(made: list[InteractionRecord], policy: LayeredPolicy) -> ReplayReport:
    judging = Replay(policy)
    for record in made:
        judging.add(record)
    return judging.report()


async def test_the_same_configuration_changes_nothing(tmp_path: Path) -> None:
    """Every call goes where it went: hints and bindings too."""
    report = replayed(await logged(tmp_path), layered(SHORT))

    assert (report.seen.calls, report.changed.calls, report.changes) == (4, 0, ())


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 8), st.integers(0, 1))
def test_the_same_configuration_changes_nothing_of_turns_with_tools(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int], count: int, bound: int
) -> None:
    """However many calls a turn has: its first one decides for all, and an explanation of any of them agrees."""
    directory = tmp_path_factory.mktemp("turns")
    many = rule("many", "fast", message_count_gt=count)
    steps = [
        step for calls in turns for step in [{"tool_calls": [{"name": "look"}]}] * (calls - 1) + [{"text": "done"}]
    ]

    async def look() -> str:
        return "blue"

    async def play() -> None:
        profiles = dict.fromkeys(PROFILES, scripted(directory, steps))
        routing = RoutingConfig(enabled=True, rules=(many,))
        config = msgspec.structs.replace(configured(directory, profiles), routing=routing)
        async with running(config) as runtime:
            for number, _ in enumerate(turns):
                hint = "capable" if bound and number == 0 else None
                await runtime.workstream("w").send("go", tools=[look], profile=hint)

    trio.run(play)
    made = [entry.record() for entry in LogReader(directory / "log", on_damage=print).oldest_first(Filters())]
    report = replayed(made, layered(many))

    assert (report.seen.calls, report.changed.calls) == (len(made), 0)
    for record in made:
        request = logged_request(record)
        assert request is not None
        assert record.routing is not None
        if record.routing.features:
            assert msgspec.convert(record.routing.features, RequestFeatures) == layered(many).features(request)


async def test_other_rules_move_only_what_was_free(tmp_path: Path) -> None:
    """The change is shown with calls, tokens, reason and an example; calls that said where stay."""
    made = await logged(tmp_path)
    report = replayed(made, layered(rule("all", "capable", message_count_gt=0)))

    assert [(one.was, one.now, one.counted.calls, one.reason, one.example) for one in report.changes] == [
        ("default", "capable", 1, "HeuristicRule(all)", made[1].id),
        ("fast", "capable", 1, "HeuristicRule(all)", made[0].id),
    ]
    assert report.changed.input_tokens == sum(record.total_input_tokens or 0 for record in made[:2])
    assert report.changed.output_tokens == sum(record.output_tokens or 0 for record in made[:2])


async def test_a_profile_that_is_gone_is_a_refusal(tmp_path: Path) -> None:
    """A hint is never passed over, so those calls would fail."""
    policy = LayeredPolicy(RoutingConfig(enabled=True), default="default", known=("default", "fast"))
    report = replayed(await logged(tmp_path), policy)

    assert [(one.was, one.now, one.counted.calls) for one in report.changes] == [
        ("capable", None, 2),
        ("fast", "default", 1),
    ]


async def test_an_attempt_again_is_no_further_call(tmp_path: Path) -> None:
    """Its tokens count, it does not."""
    made = await logged(tmp_path)
    failed = msgspec.structs.replace(made[0], status="error")
    again = msgspec.structs.replace(made[0], attempt=2, total_input_tokens=7)
    report = replayed([failed, again], layered())

    assert report.changed.calls == 1
    assert report.changed.input_tokens == (made[0].total_input_tokens or 0) + 7


async def test_a_call_whose_first_attempt_is_not_wanted_counts_all_the_same(tmp_path: Path) -> None:
    """`--status ok` leaves only the attempt that went well."""
    made = await logged(tmp_path)
    report = replayed([msgspec.structs.replace(made[0], attempt=2), made[1]], layered())

    assert (report.seen.calls, report.changed.calls) == (2, 1)


async def test_calls_without_their_messages_are_counted_apart(tmp_path: Path) -> None:
    """Nothing is guessed of them."""
    config = configured(tmp_path, PROFILES, include_messages=False)
    report = replayed(await logged(tmp_path, config), layered())

    assert (report.seen.calls, report.not_logged) == (0, 4)


async def test_a_logged_call_has_the_features_that_it_had(tmp_path: Path) -> None:
    """What the log gives back decides as the request did."""
    config = routed(tmp_path)
    request = asking("please debug", tools=4, system="Be brief.")
    async with running(config) as runtime:
        await runtime.complete(request)
    (made,) = [
        entry.record() for entry in LogReader(tmp_path / "log", on_damage=lambda _: None).oldest_first(Filters())
    ]
    read = logged_request(made)

    assert read is not None
    policy = layered(SHORT)
    assert policy.features(read) == policy.features(request)
    assert msgspec.convert(records(tmp_path)[0]["routing"]["features"], RequestFeatures) == policy.features(read)


def peak_bytes(directory: Path, line: bytes, count: int) -> int:
    """Return the most memory that a replay of `count` calls of 20 kB takes."""
    directory.mkdir()
    made = msgspec.json.decode(line, type=InteractionRecord)
    with (directory / "interactions-2026-01-28.jsonl").open("wb") as file:
        for number in range(count):
            identity = f"{number:032x}"
            text = Message("user", (Text(f"{number} " + "x" * 20_000),))
            record = msgspec.structs.replace(made, seq=number + 1, id=identity, call_id=identity, messages=(text,))
            file.write(msgspec.json.encode(record) + b"\n")
    policy = layered(rule("all", "capable", message_count_gt=0))
    tracemalloc.start()
    report = replayed_log(policy, directory, Filters())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.changed.calls == count
    return peak


async def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Eight times as many calls take the same."""
    await logged(tmp_path)
    line = (tmp_path / "log").glob("*.jsonl").__next__().read_bytes().splitlines()[1]
    assert b'"interaction"' in line
    peak_bytes(tmp_path / "warm", line, 5)

    small, large = peak_bytes(tmp_path / "small", line, 100), peak_bytes(tmp_path / "large", line, 800)

    assert large < 1.3 * small
