"""Secrets in what a provider says."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from arawn.backends.masking import Masking


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
