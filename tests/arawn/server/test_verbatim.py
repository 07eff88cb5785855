"""The same dialect on both sides: the provider gets the client's bytes, and the client the provider's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from arawn.config.schema import Profile
from tests.arawn.server.same_dialect import (
    ANSWERS,
    BODIES,
    CHAT,
    CHAT_ANSWER,
    CHAT_EVENTS,
    DIALECTS,
    EVENTS,
    MESSAGES,
    MESSAGES_ANSWER,
    PATHS,
    ask,
    streamed,
)
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Fault, Reply, stream_reply
from tests.runtimes import records
from tests.serving import read_all


@DIALECTS
async def test_a_plain_call_passes_byte_for_byte(dialect: str, tmp_path: Path) -> None:
    """Both ways, with fields and blocks that no word here is known for; the record has what was understood."""
    answer = ANSWERS[dialect]
    response, got = await ask(tmp_path, dialect, BODIES[dialect], Reply(body=answer, content_type="application/json"))

    assert got[0].body == BODIES[dialect]
    assert (response.status_code, response.content) == (200, answer)
    assert "x-arawn-ignored" not in response.headers
    record = records(tmp_path)[0]
    assert response.headers["x-request-id"] == record["id"]
    assert (record["response_content"][0]["text"], record["output_tokens"]) == ("Paris", 3)


@DIALECTS
@pytest.mark.parametrize("cut", [1, 7, 10_000])
async def test_a_stream_passes_byte_for_byte(dialect: str, cut: int, tmp_path: Path) -> None:
    """However the network cuts it up: every event, comment and line end is the provider's own."""
    whole = b"".join(EVENTS[dialect])
    pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    response, got = await ask(tmp_path, dialect, streamed(BODIES[dialect]), stream_reply(pieces))

    assert got[0].body == streamed(BODIES[dialect])
    comment = f": interaction {records(tmp_path)[0]['id']}\n\n".encode()
    assert response.content.replace(comment, b"") == whole
    assert records(tmp_path)[0]["response_content"][-1]["text"] == "Paris"


async def test_token_counts_are_asked_for_behind_the_back_of_the_client(tmp_path: Path) -> None:
    """The provider is asked for them, all else stays, and the client sees nothing that it has not asked for."""
    body = streamed(CHAT, b'{"include_obfuscation":false}')
    response, got = await ask(tmp_path, "openai", body, stream_reply(CHAT_EVENTS))

    assert json.loads(got[0].body)["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert b'{"y":1e2}' in got[0].body
    kept = b"".join(event for event in CHAT_EVENTS if b"usage" not in event)
    comment = f": interaction {records(tmp_path)[0]['id']}\n\n".encode()
    assert response.content.replace(comment, b"") == kept
    assert records(tmp_path)[0]["output_tokens"] == 3


@DIALECTS
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 401, 404, 418, 429, 500, 529])
async def test_a_refusal_passes_as_it_is(dialect: str, stream: bool, status: int, tmp_path: Path) -> None:
    """Its status, its body, and when to try again; only the id is that of the record."""
    body = b'{"type":"error",  "error":{"type":"odd_error","message":"caf\\u00e9","x":1}}'
    when = {"retry-after": "7", "retry-after-ms": "6500.5", "x-should-retry": "true"}
    refusal = Reply(status, body, "application/problem+json", headers={**when, "x-request-id": "theirs", "x-odd": "1"})
    sent = streamed(BODIES[dialect]) if stream else BODIES[dialect]
    response, _ = await ask(tmp_path, dialect, sent, refusal)

    assert (response.status_code, response.content) == (status, body)
    assert {name: response.headers[name] for name in when} == when
    assert response.headers["content-type"] == "application/problem+json"
    assert "x-odd" not in response.headers
    assert response.headers["x-request-id"] == records(tmp_path)[0]["id"]


@DIALECTS
async def test_an_error_in_a_stream_passes_as_it_is(dialect: str, tmp_path: Path) -> None:
    """It is said once, and is the last thing but for the `[DONE]` that clients of chat completions wait for."""
    fault = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Over\\u006coaded"}}\n\n'
    begun = EVENTS[dialect][:5] if dialect == "anthropic" else EVENTS[dialect][:3]
    response, _ = await ask(tmp_path, dialect, streamed(BODIES[dialect]), stream_reply([*begun, fault]))

    assert response.content == b"".join(begun) + fault + (b"" if dialect == "anthropic" else b"data: [DONE]\n\n")
    assert records(tmp_path)[0]["status"] == "partial"


@pytest.mark.parametrize("after", [b"", Fault.CUT, Fault.STALL])
@pytest.mark.parametrize("together", [True, False])
async def test_the_end_after_an_error_passes_too(together: bool, after: bytes | Fault, tmp_path: Path) -> None:
    """Clients that read on until `[DONE]` find it; the error stays that of the provider, whatever it does then."""
    fault = b'data: {"error":{"message":"Overloaded","code":503}}\n\n'
    pieces = [fault + b"data: [DONE]\n\n"] if together else [fault, b"data: [DO", b"NE]\n\n"]
    last = [after] if after else []
    response, _ = await ask(tmp_path, "openai", streamed(CHAT), stream_reply([*CHAT_EVENTS[:3], *pieces, *last]))

    assert response.content == b"".join((*CHAT_EVENTS[:3], *pieces))
    assert records(tmp_path)[0]["error"]["type"] == "Overloaded"


async def test_a_tool_call_in_one_event_passes_once(tmp_path: Path) -> None:
    """As Ollama and others say it: the client hears of one call, whose name it has not to put together."""
    call = b'{"index":0,"id":"c1","type":"function","function":{"name":"look","arguments":"{}"}}'
    events = [
        b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[' + call + b"]}}]}\n\n",
        b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n',
        b"data: [DONE]\n\n",
    ]
    response, _ = await ask(tmp_path, "openai", streamed(CHAT), stream_reply(events))

    assert response.content == b"".join(events)
    assert records(tmp_path)[0]["response_content"][0]["name"] == "look"


@DIALECTS
async def test_a_cut_stream_ends_with_an_error_after_whole_events(dialect: str, tmp_path: Path) -> None:
    """Half an event is not passed on; what follows the last whole one says that the stream broke."""
    begun = EVENTS[dialect][:5] if dialect == "anthropic" else EVENTS[dialect][:3]
    response, _ = await ask(
        tmp_path, dialect, streamed(BODIES[dialect]), stream_reply([*begun, b'data: {"half', Fault.CUT])
    )

    assert response.content.startswith(b"".join(begun))
    assert b"half" not in response.content
    assert b'"error"' in response.content.removeprefix(b"".join(begun))


async def test_a_key_that_the_provider_quotes_stays_here(tmp_path: Path) -> None:
    """It is the one thing in a refusal that is not passed on."""
    refusal = Reply(401, b'{"error":{"message":"wrong key k-secret-123"}}')
    response, got = await ask(tmp_path, "openai", CHAT, refusal, api_key="k-secret-123")

    assert got[0].headers["authorization"] == "Bearer k-secret-123"
    assert response.content == b'{"error":{"message":"wrong key [key]"}}'


@DIALECTS
@pytest.mark.parametrize("stream", [False, True])
async def test_a_401_tells_whose_it_is(dialect: str, stream: bool, tmp_path: Path) -> None:
    """The provider's names the profile whose key it refused; Arawn's own, for a wrong token, names none."""
    refusal = Reply(401, b'{"error":{"message":"wrong key"}}')
    body = streamed(BODIES[dialect]) if stream else BODIES[dialect]
    theirs, asked = await ask(tmp_path, dialect, body, refusal)
    ours, unasked = await ask(tmp_path, dialect, body, refusal, headers={"authorization": "Bearer wrong"})

    assert (theirs.status_code, ours.status_code) == (401, 401)
    assert (len(asked), len(unasked)) == (1, 0)
    assert theirs.headers["x-arawn-profile"] == "p"
    assert "x-arawn-profile" not in ours.headers


async def test_odd_headers_and_queries_do_no_harm(tmp_path: Path) -> None:
    """What cannot be said again is an error of the call, never a fault of the server."""
    headers = {"anthropic-beta": "caf\xe9".encode("latin-1")}
    response, _ = await ask(
        tmp_path, "anthropic", MESSAGES, Reply(body=MESSAGES_ANSWER), query="?a=%ff&b=[]&&c", headers=headers
    )

    assert response.status_code in {200, 502}


@DIALECTS
async def test_each_character_of_a_query_passes_as_it_is(dialect: str, tmp_path: Path) -> None:
    """Also those that only some would quote, and half an escape."""
    content = BODIES[dialect]
    target = PATHS[dialect].encode() + b"?" + bytes(sorted(set(range(33, 127)) - set(b"#"))) + b"%zz%f%2f&&=?"
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nx-api-key: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    with FakeProvider(Reply(body=ANSWERS[dialect])) as provider:
        profile: Any = {"dialect": dialect, "base_url": provider.address, "model": "m-1"}
        async with open_api(tmp_path, {"p": Profile(backend="custom", **profile)}) as url:
            async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as stream:
                await stream.send_all(head % (target, TOKEN.encode(), len(content)) + content)
                answer = await read_all(stream)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert provider.received[0].path == target.decode().removeprefix("/v1" if dialect == "openai" else "")


@DIALECTS
async def test_headers_and_query_of_the_dialect_pass_verbatim(dialect: str, tmp_path: Path) -> None:
    """Version, betas and `?beta=true` are the client's; the token of the daemon stays here."""
    headers = {"anthropic-version": "2099-01-01", "anthropic-beta": "a-1,b-2 , c", "openai-beta": "assistants=v9 , x"}
    reply = Reply(body=ANSWERS[dialect])
    response, got = await ask(tmp_path, dialect, BODIES[dialect], reply, query="?beta=true", headers=headers)

    assert response.status_code == 200
    assert got[0].path == f"{PATHS[dialect]}?beta=true"
    assert {name: got[0].headers[name] for name in headers} == headers
    assert TOKEN not in str(got[0].headers)


@DIALECTS
async def test_only_what_must_change_does(dialect: str, tmp_path: Path) -> None:
    """A profile's name becomes its model, and the profile's settings fill what is open; all else keeps its bytes."""
    body = BODIES[dialect].replace(b'"m-1"', b'"p"').replace(b'"max_tokens":10,', b'"max_tokens":10,"top_p":null,')
    settings: dict[str, Any] = {
        "temperature": 0.25,
        "max_tokens": 9,
        "top_p": 0.5,
        "extra": {"service_tier": "flex", "seed": 4},
    }
    _, got = await ask(tmp_path, dialect, body, Reply(body=ANSWERS[dialect]), **settings)

    sent, said = json.loads(got[0].body), json.loads(body)
    assert {name: sent[name] for name in ("model", "temperature", "top_p", "service_tier")} == {
        "model": "m-1",
        "temperature": 0.25,
        "top_p": 0.5,
        "service_tier": "flex",
    }
    assert sent["messages"] == said["messages"]
    assert sent["seed"] == said.get("seed", 4)
    assert sent["max_tokens"] == said.get("max_tokens", 9)
    assert b'"caf\\u00e9"' in got[0].body or b'"u\\u0031"' in got[0].body


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_that_the_client_gives_is_the_only_one(name: str, tmp_path: Path) -> None:
    """It has two names in chat completions; with both of them providers refuse a request."""
    body = CHAT.replace(b'"n":2', b'"%b":77' % name.encode())
    _, got = await ask(tmp_path, "openai", body, Reply(body=CHAT_ANSWER), max_tokens=9)

    assert got[0].body == body


async def test_a_provider_of_the_other_dialect_gets_its_own_words(tmp_path: Path) -> None:
    """And answers in those of the client."""
    with FakeProvider(Reply(body=MESSAGES_ANSWER)) as provider:
        backend = Profile(backend="custom", dialect="anthropic", base_url=provider.address, model="m-1")
        async with open_api(tmp_path, {"p": backend}) as url, httpx.AsyncClient() as client:
            body = {"model": "p", "messages": [{"role": "user", "content": "hi"}]}
            response = await client.post(
                f"{url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {TOKEN}"}
            )

    assert provider.received[0].json()["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert response.json()["object"] == "chat.completion"


@pytest.mark.parametrize("dialect", ANSWERS)
async def test_a_field_that_is_null_changes_nothing(dialect: str, tmp_path: Path) -> None:
    """Also one that Arawn has no word for."""
    body = {"openai": CHAT, "anthropic": MESSAGES}[dialect].replace(b"{ ", b'{ "odd" : null, ', 1)
    _, got = await ask(tmp_path, dialect, body, Reply(body=ANSWERS[dialect]))

    assert got[0].body == body
