"""Secrets in what a provider says."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from arawn.backends.masking import Masking
from arawn.errors import BadRequest
from tests.arawn.backends.calling import ASK, complete_error, stream_error
from tests.fake_provider import FakeProvider, Reply, stream_reply
from tests.runtimes import configured, custom, records, running


def test_a_secret_that_holds_another_goes_as_a_whole() -> None:
    """Nothing of the longer one is left, whichever comes first."""
    for secrets in (("key-abcdef", "key-abcdef-and-more"), ("key-abcdef-and-more", "key-abcdef")):
        said = Masking(secrets).of_bytes(b"not key-abcdef-and-more, nor key-abcdef")

        assert said == b"not [key], nor [key]"


@pytest.mark.parametrize("escape", [str, quote, html.escape, json.dumps, lambda key: key.replace("/", "%2F")])
def test_a_secret_goes_in_its_escaped_forms_too(escape: Callable[[str], str]) -> None:
    """A page of a proxy may quote it as HTML, a server as a URL or as JSON; bytes that are no text stay as they are."""
    key = 'planted/Key+with"odd=letters'
    said = b"\xff\xc3 not allowed: " + escape(key).encode() + b" \xfe"

    masked = Masking((key,)).of_bytes(said)

    assert b"planted" not in masked
    assert b"odd" not in masked
    assert masked.startswith(b"\xff\xc3 not allowed: ")
    assert masked.endswith((b"[key] \xfe", b'[key]" \xfe'))


@pytest.mark.parametrize("before", [60, 484])
@pytest.mark.parametrize("said", ["an error inside a 200", "an error event", "no reply at all"])
async def test_a_key_is_taken_out_before_what_quotes_it_is_cut(before: int, said: str) -> None:
    """Half a key is found by nobody."""
    key = "local-key-abcdefghijklmnop"
    quote = f"{'x' * before} {key} is wrong"
    body = quote if said == "no reply at all" else json.dumps({"error": {"message": quote}})
    reply = stream_reply([f"data: {body}\n\n".encode()]) if said == "an error event" else Reply(body=body.encode())

    _, streamed = await stream_error(reply, api_key=key)

    assert "local" not in str(streamed)
    if said != "an error event":
        assert "local" not in str(await complete_error(reply, api_key=key))


async def test_a_key_in_an_error_is_listed_in_its_record(tmp_path: Path) -> None:
    """The message was redacted before the record was made, and the record says by which rule, as of any other text."""
    key = "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d"
    body = json.dumps({"error": {"message": f"{key} is used up, and so is {key}"}}).encode()

    with FakeProvider(Reply(400, body)) as fake:
        async with running(configured(tmp_path, {"default": custom(fake.address)})) as runtime:
            with pytest.raises(BadRequest):
                await runtime.complete(ASK)

    (record,) = records(tmp_path)
    assert "[redacted:openai:" in record["error"]["message"]
    assert record["redactions"] == ["openai"]
