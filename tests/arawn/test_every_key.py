"""Every configuration key changes behaviour: one test each, and one test that no key is without."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import Config, NamedWorkstream, Profile, RetryConfig, TimeoutsConfig
from arawn.errors import BackendError, RateLimited, TimedOut
from arawn.messages import CompletionRequest, Message, Text, ToolResult, user
from tests.fake_provider import FakeProvider, Fault, Received, Reply, anthropic_reply, openai_reply
from tests.runtimes import configured, custom, lines, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))
SHOWN: set[str] = set()
T = typing.TypeVar("T", bound=Callable[..., object])

ELSEWHERE = {  # key -> the test that shows it, where that needs the whole program or lives with its subject
    "routing.enabled": "tests/arawn/routing/test_layered.py",
    "routing.default": "tests/arawn/config/test_profiles.py",
    "routing.rules": "tests/arawn/routing/test_layered.py",
    "routing.policy": "tests/arawn/routing/test_own_policy.py",
    "routing.keywords": "tests/arawn/routing/test_features.py",
    "routing.moderate_length_gt": "tests/arawn/routing/test_features.py",
    "routing.complex_length_gt": "tests/arawn/routing/test_features.py",
    "routing.complex_tools_gt": "tests/arawn/routing/test_features.py",
    "routing.classifier.file": "tests/arawn/routing/test_classifier.py",
    "routing.classifier.embeddings": "tests/arawn/routing/test_classifier.py",
    "routing.classifier.threshold": "tests/arawn/routing/test_classifier.py",
    "routing.classifier.deadline_s": "tests/arawn/routing/test_classifier.py",
    "agent.max_iterations": "tests/arawn/agent/test_settings.py",
    "agent.tool_deadline_s": "tests/arawn/agent/test_settings.py",
    "agent.tool_result_bytes": "tests/arawn/agent/test_settings.py",
    "tools.*.python": "tests/arawn/agent/test_servers.py",
    "tools.*.command": "tests/arawn/agent/test_mcp.py",
    "tools.*.env": "tests/arawn/agent/test_mcp.py",
    "tools.*.url": "tests/arawn/agent/test_mcp.py",
    "tools.*.bearer_env": "tests/arawn/agent/test_mcp.py",
    "tools.*.only": "tests/arawn/agent/test_servers.py",
    "tools.*.deadline_s": "tests/arawn/agent/test_servers.py",
    "logging.interactions.sync": "tests/arawn/interactions/test_writer.py",
    "server.listen": "tests/system/test_daemon.py",
    "server.socket": "tests/system/test_daemon.py",
    "server.shutdown_grace_s": "tests/system/test_daemon.py",
    "server.auth": "tests/arawn/server/test_auth.py",
    "server.allowed_hosts": "tests/arawn/server/test_auth.py",
}


def shows(*keys: str) -> Callable[[T], T]:
    """Say which keys a test is about."""
    SHOWN.update(keys)
    return lambda test: test


def leaves(kind: type[msgspec.Struct], prefix: str) -> list[str]:
    """Return the dotted path of every key below a schema struct."""
    found = []
    for field in msgspec.structs.fields(kind):
        path = f"{prefix}.{field.encode_name}"
        inner = field.type
        arguments = typing.get_args(inner)
        if typing.get_origin(inner) is dict and msgspec.inspect.is_struct_type(arguments[1]):
            inner, path = arguments[1], f"{path}.*"
        found += leaves(inner, path) if msgspec.inspect.is_struct_type(inner) else [path]
    return found


def all_keys() -> set[str]:
    tables = [path.removeprefix(".") for path in leaves(Config, "") if not path.startswith(".profiles.")]
    return {*leaves(Profile, "llm"), *tables}


def test_no_key_is_without_a_test() -> None:
    """The keys shown here and elsewhere are exactly the keys there are."""
    assert SHOWN | set(ELSEWHERE) == all_keys()
    assert not SHOWN & set(ELSEWHERE)
    for key, path in ELSEWHERE.items():
        source = Path(path).read_text("utf-8")
        assert key.rpartition(".")[2] in source, f"{path} does not speak of `{key}`"


async def sent(
    tmp_path: Path, *, dialect: str | None = "openai", environ: dict[str, str] | None = None, **settings: Any
) -> Received:
    """Make one call with a profile and return what the provider received."""
    reply = anthropic_reply("ok") if dialect == "anthropic" else openai_reply("ok")
    with FakeProvider(Reply(body=reply)) as fake:
        known = {"backend": "custom", "dialect": dialect, "model": "m", "base_url": f"{fake.address}/v1"}
        profile = Profile(**{**known, **settings})
        async with running(configured(tmp_path, {"default": profile}), environ) as runtime:
            await runtime.complete(ASK)
        return fake.received[0]


@shows("llm.model", "llm.max_tokens", "llm.temperature", "llm.top_p", "llm.stop", "llm.extra")
@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("model", "special", "model"),
        ("max_tokens", 77, "max_tokens"),
        ("temperature", 0.25, "temperature"),
        ("top_p", 0.5, "top_p"),
        ("stop", ("END",), "stop"),
        ("extra", {"seed": 7}, "seed"),
    ],
)
async def test_a_setting_reaches_the_provider(tmp_path: Path, key: str, value: Any, field: str) -> None:
    """What the profile sets is in the request body."""
    received = await sent(tmp_path, **{key: value})

    expected = {"extra": 7, "stop": ["END"]}.get(key, value)
    assert received.json()[field] == expected


@shows("llm.backend", "llm.base_url", "llm.dialect")
async def test_the_dialect_and_address_decide_what_is_sent_where(tmp_path: Path) -> None:
    """`dialect` chooses the wire form, `base_url` the place, `backend` the kind that the record names."""
    openai = await sent(tmp_path)
    anthropic = await sent(tmp_path, dialect="anthropic")
    await sent(tmp_path, backend="ollama", dialect=None)

    assert openai.path == "/v1/chat/completions"
    assert anthropic.path.endswith("/messages")
    assert [record["provider"] for record in records(tmp_path)] == ["custom", "custom", "ollama"]


@shows("llm.headers", "llm.api_key")
async def test_headers_and_key_are_sent(tmp_path: Path) -> None:
    """Extra headers and the key go with every request."""
    received = await sent(tmp_path, headers={"x-team": "search"}, api_key="k1")

    assert received.headers["x-team"] == "search"
    assert received.headers["authorization"] == "Bearer k1"


@shows("llm.api_key_env", "llm.api_key_command")
async def test_the_key_may_come_from_a_variable_or_a_command(tmp_path: Path) -> None:
    """Either way the same header is sent."""
    from_variable = await sent(tmp_path, api_key_env="MY_KEY", environ={"MY_KEY": "k2"})
    from_command = await sent(tmp_path, api_key_command=("/bin/echo", "k3"))

    assert from_variable.headers["authorization"] == "Bearer k2"
    assert from_command.headers["authorization"] == "Bearer k3"


@shows("llm.script")
async def test_a_script_is_played(tmp_path: Path) -> None:
    """The `scripted` backend says what its script says."""
    profile = scripted(tmp_path, [{"text": "as written"}])
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        assert (await runtime.complete(ASK)).text == "as written"


@shows("llm.max_concurrency")
@pytest.mark.parametrize(("limit", "seconds"), [(1, 4), (2, 2), (4, 1)])
async def test_concurrency_is_bounded(tmp_path: Path, autojump_clock: MockClock, limit: int, seconds: float) -> None:
    """Four one-second calls take as long as the bound allows."""
    profile = scripted(tmp_path, [{"delay_s": 1}], max_concurrency=limit)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(runtime.complete, ASK)

        assert trio.current_time() - began == pytest.approx(seconds)


@shows("llm.mailbox")
async def test_the_mailbox_is_bounded(tmp_path: Path, autojump_clock: MockClock) -> None:
    """No more calls are in it than the bound; the others wait for room, and `status` counts them as well."""
    profile = scripted(tmp_path, [{"delay_s": 1}], max_concurrency=1, mailbox=3)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(runtime.complete, ASK)
            await trio.sleep(0.5)
            status = runtime.status()

    (backend,) = [actor for each in status.tree.children for actor in each.children if actor.name == "backend:default"]
    assert (backend.in_hand, backend.queued, backend.waiting) == (1, 3, 6)
    assert (status.backends[0].in_hand, status.backends[0].queued) == (1, 9)


@shows("llm.requests_per_minute")
async def test_requests_per_minute_queue_and_then_say_when(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The third call of a profile with two a minute waits, or is told how long when that is too long."""
    patient = scripted(tmp_path, [{"text": "ok"}], requests_per_minute=2, retry=RetryConfig(max_s=60))
    hasty = scripted(tmp_path, [{"text": "ok"}], requests_per_minute=2, retry=RetryConfig(max_s=1))
    async with running(configured(tmp_path, {"default": patient, "hasty": hasty})) as runtime:
        began = trio.current_time()
        for _ in range(3):
            await runtime.complete(ASK)
        waited = trio.current_time() - began
        for _ in range(2):
            await runtime.complete(ASK, profile="hasty")
        with pytest.raises(RateLimited) as caught:
            await runtime.complete(ASK, profile="hasty")

    assert waited == pytest.approx(30)
    assert caught.value.retry_after_s == pytest.approx(30)


@shows("llm.tokens_per_minute")
async def test_tokens_per_minute_are_charged_when_known(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A call that used two minutes' worth of tokens makes the next one wait until the debt is paid."""
    usage = {"input_tokens": 100, "output_tokens": 100}
    steps = [{"text": "ok", "usage": usage}]
    profile = scripted(tmp_path, steps, tokens_per_minute=100, retry=RetryConfig(max_s=600))
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        await runtime.complete(ASK)
        await runtime.complete(ASK)

    assert trio.current_time() - began == pytest.approx(60.6, abs=1)


@shows("llm.timeouts.first_token_s", "llm.timeouts.idle_s", "llm.timeouts.total_s")
@pytest.mark.parametrize(
    ("step", "deadlines", "which"),
    [
        ({"hang": True}, {"first_token_s": 3}, "first_token"),
        ({"text": "a b c", "cut_after": 1, "hang": True}, {"idle_s": 4}, "idle"),
        ({"text": "a b c d e f", "token_delay_s": 2}, {"total_s": 5}, "total"),
    ],
)
async def test_a_deadline_names_itself(
    tmp_path: Path, autojump_clock: MockClock, step: dict[str, Any], deadlines: dict[str, float], which: str
) -> None:
    """Each of the stream deadlines ends the call at its own time, under its own name."""
    profile = scripted(tmp_path, [step], timeouts=TimeoutsConfig(**deadlines), retry=RetryConfig(attempts=1))
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        with pytest.raises(TimedOut) as caught:
            async with runtime.stream(ASK) as events:
                async for _ in events:
                    pass

    assert caught.value.which == which
    assert trio.current_time() - began == pytest.approx(next(iter(deadlines.values())), abs=0.01)


@shows("llm.timeouts.connect_s")
async def test_the_connect_deadline_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener whose queue is full never answers the connect: `connect_s` ends that."""
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    fillers = [trio.socket.socket() for _ in range(4)]
    try:
        for filler in fillers:
            with trio.move_on_after(0.1):
                await filler.connect(("127.0.0.1", port))
        profile = custom(f"http://127.0.0.1:{port}", timeouts=TimeoutsConfig(connect_s=0.2))
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            with trio.fail_after(5), pytest.raises(TimedOut) as caught:
                await runtime.complete(ASK)
    finally:
        for each in (*fillers, listener):
            each.close()

    assert caught.value.which == "connect"


@shows("llm.retry.attempts", "llm.retry.initial_s", "llm.retry.max_s")
@pytest.mark.parametrize(
    ("retry", "attempts", "shortest", "longest"),
    [
        (RetryConfig(attempts=1), 1, 0, 0),
        (RetryConfig(attempts=3, initial_s=1, max_s=100), 3, 3, 5),
        (RetryConfig(attempts=3, initial_s=10, max_s=100), 3, 30, 50),
        (RetryConfig(attempts=4, initial_s=10, max_s=12), 4, 30, 36),
    ],
)
async def test_retries_follow_their_settings(
    tmp_path: Path, autojump_clock: MockClock, retry: RetryConfig, attempts: int, shortest: float, longest: float
) -> None:
    """As many attempts as set, with waits that double from `initial_s` up to `max_s`, plus jitter."""
    profile = scripted(tmp_path, [{"error": {"status": 503}}], retry=retry)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        with pytest.raises(BackendError):
            await runtime.complete(ASK)

    took = trio.current_time() - began
    assert len(records(tmp_path)) == attempts
    assert shortest < took <= longest or took == shortest == 0


@shows("workstreams.database")
async def test_the_database_is_where_it_was_put(tmp_path: Path) -> None:
    """Conversations are kept in the file that is named."""
    async with running(configured(tmp_path)) as runtime:
        await runtime.workstream("talk").send("one")

    assert (tmp_path / "state" / "workstreams.db").exists()


@shows("workstreams.idle_after_s")
@pytest.mark.parametrize("seconds", [10.0, 100.0])
async def test_idle_workstreams_leave_memory_in_time(tmp_path: Path, autojump_clock: MockClock, seconds: float) -> None:
    """A conversation is in memory until `idle_after_s`, and not longer."""
    async with running(configured(tmp_path, idle_after_s=seconds)) as runtime:
        await runtime.workstream("talk").send("one")
        await trio.sleep(seconds - 1)
        before = runtime.status().active_workstreams
        await trio.sleep(2)
        after = runtime.status().active_workstreams

    assert (before, after) == (("talk",), ())


@shows("workstreams.named.*.profile", "workstreams.named.*.system_prompt", "workstreams.named.*.tags")
async def test_named_workstreams_have_standing_settings(tmp_path: Path) -> None:
    """Profile, system prompt and tags of the configuration are in the record of the workstream's calls."""
    standing = NamedWorkstream(profile="fast", system_prompt="Be brief.", tags={"team": "search"})
    profiles = {"default": Profile(backend="scripted"), "fast": Profile(backend="scripted")}
    async with running(configured(tmp_path, profiles, named={"talk": standing})) as runtime:
        await runtime.workstream("talk").send("one")

    (record,) = records(tmp_path)
    assert (record["profile"], record["system_prompt"], record["tags"]["team"]) == ("fast", "Be brief.", "search")


@shows("logging.interactions.enabled", "logging.interactions.path")
@pytest.mark.parametrize("enabled", [True, False])
async def test_the_log_is_written_where_and_only_if_wanted(tmp_path: Path, enabled: bool) -> None:
    """`enabled = false` writes nothing at all."""
    async with running(configured(tmp_path, enabled=enabled)) as runtime:
        await runtime.complete(ASK)

    assert bool(lines(tmp_path)) is enabled


@shows("logging.interactions.include_messages", "logging.interactions.include_responses")
@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("messages", [False, True])
async def test_content_can_be_left_out(tmp_path: Path, messages: bool, responses: bool) -> None:
    """Without content the record keeps roles, sizes and hashes, and no word of what was said: question, or answer."""
    profile = scripted(tmp_path, [{"text": "good day"}])
    config = configured(tmp_path, {"default": profile}, include_messages=messages, include_responses=responses)
    async with running(config) as runtime:
        await runtime.complete(ASK)

    (record,) = records(tmp_path)
    assert ("hello there" in json.dumps(record)) is messages
    assert ("good day" in json.dumps(record)) is responses
    assert ({"size", "sha256"} <= set(record["messages"][0])) is not messages
    assert ({"size", "sha256"} <= set(record["response_content"][0])) is not responses


@shows("logging.interactions.truncate_tool_results")
@pytest.mark.parametrize(("limit", "kept"), [(10, 10), (0, 100)])
async def test_long_tool_results_are_cut(tmp_path: Path, limit: int, kept: int) -> None:
    """So many characters of a tool result are kept; 0 keeps all."""
    result = Message("user", (ToolResult("t1", (Text("x" * 100),)),))
    request = CompletionRequest(messages=(user("go"), result))
    async with running(configured(tmp_path, truncate_tool_results=limit)) as runtime:
        await runtime.complete(request)

    (record,) = records(tmp_path)
    assert len(record["messages"][1]["content"][0]["content"][0]["text"]) == kept
    assert len(record["truncated"]) == (1 if limit else 0)


@shows("logging.interactions.redact_secrets")
@pytest.mark.parametrize("redact", [True, False])
async def test_secrets_are_redacted_if_wanted(tmp_path: Path, redact: bool) -> None:
    """A key pasted into a prompt is replaced and listed; with the switch off it stays."""
    key = "sk-ant-api03-" + "A1b2" * 20
    request = CompletionRequest(messages=(user(f"my key is {key}"),))
    async with running(configured(tmp_path, redact_secrets=redact)) as runtime:
        await runtime.complete(request)

    (record,) = records(tmp_path)
    assert (key in json.dumps(record)) is not redact
    assert bool(record["redactions"]) is redact


async def test_the_backends_own_key_is_redacted(tmp_path: Path) -> None:
    """A key of no known shape, known only from its command's output, is not in the log either."""
    body = json.loads(openai_reply("ok"))
    body["choices"][0]["message"]["content"] = "the key is plainsecretvalue"
    with FakeProvider(Reply(body=json.dumps(body).encode())) as fake:
        profile = custom(fake.address, api_key_command=("/bin/echo", "plainsecretvalue"))
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            await runtime.complete(ASK)

    assert "plainsecretvalue" not in json.dumps(records(tmp_path))


@shows("logging.interactions.answer_wait_ms")
@pytest.mark.parametrize("milliseconds", [100, 5000])
async def test_an_answer_waits_that_long_for_its_record(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, milliseconds: int
) -> None:
    """With a disk that hangs, the answer goes out after `answer_wait_ms`, and the log is `degraded`."""
    from arawn.interactions.writer import Writer

    async def hang(_self: Writer, batch: object) -> list[None]:
        await trio.sleep(60)
        return [None]

    monkeypatch.setattr(Writer, "handle", hang)
    async with running(configured(tmp_path, answer_wait_ms=milliseconds)) as runtime:
        began = trio.current_time()
        await runtime.complete(ASK)
        waited = trio.current_time() - began
        health = runtime.status().log.health
        await trio.sleep(60)

    assert waited == pytest.approx(milliseconds / 1000)
    assert health.state == "degraded"


@shows("logging.interactions.overflow")
@pytest.mark.parametrize(("overflow", "waited", "bodies"), [("block", 60, 3), ("shed_bodies", 2, 2)])
async def test_what_happens_without_room(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    overflow: str,
    waited: float,
    bodies: int,
) -> None:
    """With a disk that hangs for a minute and no room left, a call waits for it, or goes on without its bodies."""
    from arawn.interactions import journal
    from arawn.interactions.writer import Writer

    handle, first = Writer.handle, [60.0]

    async def hang_once(self: Writer, batch: typing.Any) -> object:
        await trio.sleep(first.pop() if first else 0)
        return await handle(self, batch)

    monkeypatch.setattr(Writer, "handle", hang_once)
    monkeypatch.setattr(journal, "_ROOM_BYTES", 60_000)
    request = CompletionRequest(messages=(user("x" * 10_000),))
    async with running(configured(tmp_path, overflow=overflow)) as runtime:
        for _ in range(2):
            with trio.move_on_after(0.1):
                await runtime.complete(request)
        began = trio.current_time()
        await runtime.complete(request)
        took = trio.current_time() - began
        health = runtime.status().log.health
        await trio.sleep(60)

    assert took == pytest.approx(waited, abs=0.5)
    assert health.state == ("ok" if overflow == "block" else "degraded")
    assert sum(bool(record["messages"]) for record in records(tmp_path)) == bodies
    assert len(records(tmp_path)) == 3


@shows("logging.interactions.retention_days", "logging.interactions.compact_after_days")
@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"retention_days": 0, "compact_after_days": 0}, ["2001-01-01.jsonl", "2002-01-01.jsonl"]),
        ({"retention_days": 0, "compact_after_days": 1}, ["2001-01-01.jsonl.zst", "2002-01-01.jsonl.zst"]),
        ({"retention_days": 36_500, "compact_after_days": 36_500}, ["2001-01-01.jsonl", "2002-01-01.jsonl"]),
        ({"retention_days": 90}, []),
    ],
)
async def test_closed_days_are_kept_and_compressed_as_set(
    tmp_path: Path, autojump_clock: MockClock, settings: dict[str, Any], left: list[str]
) -> None:
    """Days past `retention_days` go, those past `compact_after_days` become `.jsonl.zst`, and 0 means never."""
    (tmp_path / "log").mkdir()
    for day in ("2001-01-01", "2002-01-01"):
        (tmp_path / "log" / f"interactions-{day}.jsonl").write_text("{}\n")

    async with running(configured(tmp_path, **settings)):
        await trio.sleep(60)

    names = sorted(path.name for path in (tmp_path / "log").glob("interactions-200*.jsonl*"))
    assert names == [f"interactions-{name}" for name in left]


async def test_a_refused_connection_is_one_clear_error(tmp_path: Path) -> None:
    """Nobody listens there: the error says where, and the record says so too."""
    with FakeProvider() as fake:
        address = fake.address
    async with running(configured(tmp_path, {"default": custom(address)})) as runtime:
        with pytest.raises(BackendError, match=r"127\.0\.0\.1"):
            await runtime.complete(ASK)

    assert records(tmp_path)[0]["error"]["type"] == "ConnectionFailed"


async def test_a_provider_cut_in_mid_answer_is_recorded(tmp_path: Path) -> None:
    """A reset instead of an answer leaves an `error` record for every attempt."""
    with FakeProvider(Reply(before=Fault.CUT)) as fake:
        profile = custom(fake.address, retry=RetryConfig(attempts=2, initial_s=0.01, max_s=0.02))
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            with pytest.raises(BackendError):
                await runtime.complete(ASK)

    assert [record["attempt"] for record in records(tmp_path)] == [1, 2]
