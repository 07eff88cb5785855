"""What goes out in the client's own bytes is judged by the provider: the record holds what could be read of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arawn.config.schema import Config, Profile, RoutingConfig, RoutingRule
from arawn.requests import require_request
from arawn.server.reply import Refused
from arawn.server.v1.answering import as_said
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.openai_chat_in import read_chat, translate_chat
from arawn.server.v1.target import choose_target
from tests.arawn.server.same_dialect import ANSWERS, DIALECTS, PATHS, ask
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply
from tests.runtimes import records

HI = {"role": "user", "content": "hi"}
CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": {"at": "sea"}}}
ODD: list[tuple[str, dict[str, Any]]] = [
    ("openai", {"max_tokens": -1}),
    ("openai", {"max_tokens": 10.0}),
    ("openai", {"max_tokens": "many", "stop": 3, "temperature": "hot"}),
    ("openai", {"messages": [{"role": "system", "content": "Be brief."}]}),
    ("openai", {"messages": []}),
    ("openai", {"messages": "hi"}),
    ("openai", {"messages": [HI, {"role": "assistant", "tool_calls": [CALL]}]}),
    ("openai", {"messages": [HI, {"role": "tool", "tool_call_id": "c", "content": {"found": 1}}]}),
    ("openai", {"messages": [HI, {"role": "tool", "content": "x"}, 3]}),
    ("openai", {"tools": [{"type": "function", "function": {}}, {"type": []}], "tool_choice": "some"}),
    ("openai", {"tools": {}, "tool_choice": 1, "response_format": "json", "n": "2", "stop": [1]}),
    ("anthropic", {"max_tokens": 0}),
    ("anthropic", {"max_tokens": "many", "system": 3}),
    ("anthropic", {"messages": [HI, {"role": "system", "content": "Be brief."}, HI]}),
    ("anthropic", {"messages": [HI, {"role": "critic", "content": "no"}]}),
    ("anthropic", {"messages": [{"role": "user"}, {"role": "user", "content": {"type": "text"}}]}),
    ("anthropic", {"messages": []}),
    ("anthropic", {"tools": [{"name": "x"}, {"type": []}], "tool_choice": {"type": "some"}, "stop_sequences": "x"}),
]


def body_of(more: dict[str, Any]) -> bytes:
    return json.dumps({"model": "m-1", "max_tokens": 9, "messages": [HI], **more}, indent=1).encode()


@pytest.mark.parametrize(("dialect", "more"), ODD)
async def test_odd_requests_pass_byte_for_byte(dialect: str, more: dict[str, Any], tmp_path: Path) -> None:
    """Whether they will do is for the provider to say; there is a record all the same."""
    sent = body_of(more)
    response, got = await ask(tmp_path, dialect, sent, Reply(body=ANSWERS[dialect]))

    assert (response.status_code, response.content) == (200, ANSWERS[dialect])
    assert got[0].body == sent
    assert records(tmp_path)[0]["status"] == "ok"


@pytest.mark.parametrize(("dialect", "more"), ODD)
async def test_odd_requests_are_refused_where_they_would_be_translated(
    dialect: str, more: dict[str, Any], tmp_path: Path
) -> None:
    """400 at once, in the envelope of the dialect; but for system messages, which either dialect can say."""
    other = {"openai": "anthropic", "anthropic": "openai"}[dialect]
    with FakeProvider(Reply(body=ANSWERS[other])) as provider:
        backend = Profile(backend="custom", dialect=other, base_url=provider.address, model="m-1")  # type: ignore[arg-type]
        async with open_api(tmp_path, {"p": backend}) as url, httpx.AsyncClient() as client:
            head = {"x-api-key": TOKEN}
            response = await client.post(f"{url}{PATHS[dialect]}", content=body_of(more), headers=head)

    said = [
        message for message in more.get("messages", ()) if message in (HI, {"role": "system", "content": "Be brief."})
    ]
    sayable = len(said) == 3
    assert response.status_code == (200 if sayable else 400)
    if sayable:
        assert json.loads(provider.received[0].body)["messages"][0] == {"role": "system", "content": "Be brief."}
    else:
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert not provider.received


async def test_the_record_holds_what_could_be_read(tmp_path: Path) -> None:
    """A message of another shape is its JSON, a setting of another shape is beside the others."""
    result = {"role": "tool", "tool_call_id": "c", "content": {"found": 1}}
    sent = body_of({"messages": [HI, result, {"role": "system", "content": "Be brief."}], "max_tokens": 10.5})
    await ask(tmp_path, "openai", sent, Reply(body=ANSWERS["openai"]))

    record = records(tmp_path)[0]
    texts = [message["content"][0]["text"] for message in record["messages"]]
    assert texts == ["hi", json.dumps(result, separators=(",", ":"))]
    assert (record["system_prompt"], record["params"]["extra"]["max_tokens"]) == ("Be brief.", 10.5)


async def test_a_model_must_be_named_all_the_same(tmp_path: Path) -> None:
    """It says where the request goes."""
    response, got = await ask(tmp_path, "openai", json.dumps({"model": 3, "messages": [HI]}).encode())

    assert (response.status_code, got) == (400, [])
    assert "`$.model`" in response.json()["error"]["message"]


@DIALECTS
@pytest.mark.parametrize("stream", [1, "true", []])
async def test_whether_to_stream_must_be_said_plainly(dialect: str, stream: object, tmp_path: Path) -> None:
    """Some providers take 1 and "true" for true: they would send a stream to whoever waits for a whole answer."""
    response, got = await ask(tmp_path, dialect, body_of({"stream": stream}))

    assert (response.status_code, got) == (400, [])
    assert "`$.stream`" in response.json()["error"]["message"]


@pytest.mark.parametrize("more", [{"input": {"text": "hi"}}, {"input": 3}, {}])
async def test_inputs_of_embeddings_pass_as_they_are(more: dict[str, Any], tmp_path: Path) -> None:
    """Some servers embed pictures and objects."""
    sent = json.dumps({"model": "m", **more, "dimensions": 8}, indent=1).encode()
    with FakeProvider(Reply(body=b'{"data":[]}')) as provider:
        backend = Profile(backend="custom", dialect="openai", base_url=provider.address, model="m")
        async with open_api(tmp_path, {"p": backend}) as url, httpx.AsyncClient() as client:
            response = await client.post(f"{url}/v1/embeddings", content=sent, headers={"x-api-key": TOKEN})

    assert (response.status_code, response.content) == (200, b'{"data":[]}')
    assert provider.received[0].body == sent
    assert records(tmp_path)[0]["params"] == {"extra": {"dimensions": 8}}


@pytest.mark.parametrize("other", ["openai", "anthropic"])
def test_where_a_rule_may_choose_another_dialect_the_body_must_fit(other: Any) -> None:
    """Else it could not be said to the profile that is chosen."""
    profiles = {name: Profile(backend=name, model="m") for name in ("openai", "anthropic")}
    profiles["default"] = profiles["openai"]
    rules = (RoutingRule("a", {"message_count_gt": 0}, "openai"), RoutingRule("b", {"message_count_gt": 9}, other))
    config = Config(profiles=profiles, routing=RoutingConfig(enabled=True, rules=rules))
    chat = read_chat(body_of({"model": "auto", "max_tokens": "many"}))
    target = choose_target("auto", None, config)

    if other == "openai":
        assert translate_chat(chat, target).request.extra == {"max_tokens": "many"}
    else:
        with pytest.raises(Refused):
            translate_chat(chat, target)


@pytest.mark.slow
async def test_the_sdk_may_warm_the_cache_and_speak_as_the_system(tmp_path: Path) -> None:
    """`max_tokens=0`, and a system message between the others, as its types have them."""
    with FakeProvider(Reply(body=ANSWERS["anthropic"])) as provider:
        backend = Profile(backend="custom", dialect="anthropic", base_url=provider.address, model="m-1")
        async with open_api(tmp_path, {"p": backend}) as url:
            said: Any = [HI, {"role": "system", "content": "Be brief."}]
            with anthropic.Anthropic(base_url=url, api_key=TOKEN, max_retries=0) as client:
                answer = await trio.to_thread.run_sync(
                    lambda: client.messages.create(model="p", max_tokens=0, messages=said)
                )

    assert answer.content[0].type == "text"
    assert json.loads(provider.received[0].body)["max_tokens"] == 0
    assert records(tmp_path)[0]["system_prompt"] == "Be brief."


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.sampled_from(["user", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "name", "function"]), inner, max_size=4)
    ),
    max_leaves=9,
)
FIELDS = ["messages", "max_tokens", "tools", "tool_choice", "system", "stop", "stream_options", "temperature"]


@DIALECTS
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(more=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_object_with_a_model_is_refused_in_its_own_dialect(dialect: Any, more: dict[str, Any]) -> None:
    """Whatever its fields hold, there is a request to make a record of."""
    config = Config(profiles={"default": Profile(backend=dialect, model="m")})
    target = choose_target("auto", None, config)
    sent = json.dumps({"messages": [HI], **more, "model": "auto"}).encode()

    if dialect == "openai":
        said = translate_chat(read_chat(sent), target)
    else:
        said = translate_messages(read_messages(sent), target)
    call: Any = type("Headless", (), {"headers": {}, "query": b""})
    require_request(as_said(said, dialect, sent, call))
