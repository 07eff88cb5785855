"""How much a request's body may have in it: what would take seconds to look through is refused before it is decoded."""

from __future__ import annotations

import json

import pytest

from arawn.server.json_body import decoded
from arawn.server.reply import Refused

PARTS = 300_000  # at most, with the object itself and the names of its fields
LISTED = 2_000_000


def listed(item: str, count: int) -> bytes:
    """Return a body that lists `item`, not at its top."""
    return f'{{"x":{{"y":[{",".join([item] * count)}]}}}}'.encode()


@pytest.mark.parametrize(
    ("item", "most", "said"),
    [
        ("{}", PARTS - 5, "it has 300,001 texts, arrays and objects; at most 300,000 are read"),
        ("[]", PARTS - 5, "it has 300,001 texts, arrays and objects; at most 300,000 are read"),
        ('""', PARTS - 5, "it has 300,001 texts, arrays and objects; at most 300,000 are read"),
        ('"[,\\""', PARTS - 5, "it has 300,001 texts, arrays and objects; at most 300,000 are read"),
        (f"{'1' * 40}e200", 10_000, "it has 10,001 numbers with an exponent; at most 10,000 are read"),
        ("true", LISTED + 1, "it lists 2,000,001 values; at most 2,000,000 are read"),
        ("1", LISTED + 1, "it lists 2,000,001 values; at most 2,000,000 are read"),
    ],
)
def test_a_body_may_have_so_much_in_it_at_any_depth(item: str, most: int, said: str) -> None:
    """Each item costs the loop microseconds, and nobody else is answered meanwhile."""
    assert len(decoded(listed(item, most))["x"]["y"]) == most
    with pytest.raises(Refused) as caught:
        decoded(listed(item, most + 1))

    assert caught.value.reply.status == 400
    assert said in json.loads(caught.value.reply.body)["error"]["message"]


def test_bytes_that_are_no_utf_8_are_counted_in_the_body() -> None:
    """As every other fault of a body is, not within the text where they stand."""
    with pytest.raises(Refused) as caught:
        decoded(b'{"message": "caf\xe9 au lait"}')

    message = json.loads(caught.value.reply.body)["error"]["message"]
    assert message == "the request body is not JSON: invalid UTF-8 (byte 16)"


@pytest.mark.parametrize("text", ["[{,", '"', "\\", '\\"', '\\\\",[', "é\n"])
def test_what_stands_in_a_text_is_not_counted(text: str) -> None:
    """However it is escaped."""
    body = {"message": text * PARTS}

    assert decoded(json.dumps(body).encode()) == body
