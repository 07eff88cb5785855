"""Every secret of the profiles is known to whoever writes the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given

from arawn.backends.secret_values import secret_values
from arawn.config.hidden import HIDDEN, masked
from arawn.config.schema import Profile
from arawn.messages import CompletionRequest, user
from tests.runtimes import ECHO, configured, running

NAMES = st.sampled_from(["password", "nested", "api_key", "auth", "size", "a"])
LEAVES = st.integers(10**8, 10**9) | st.text("abc123", min_size=8)
TABLES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner) | st.lists(inner), max_leaves=8)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, name)
    else:
        yield name, value


@given(extra=st.dictionaries(NAMES, TABLES), headers=st.dictionaries(NAMES, st.text("abc123", min_size=8)))
def test_what_config_show_hides_by_its_own_name_is_known(extra: dict[str, Any], headers: dict[str, str]) -> None:
    """Of `extra` if it is a text with a digit, however deep it stands; nothing else."""
    named = [text for name, text in leaves(extra) if name not in {"nested", "size", "a"} and isinstance(text, str)]
    of_headers = [text for name, text in headers.items() if masked(text, ("headers", name)) == HIDDEN]
    found = list(secret_values({"p": Profile(backend="openai", extra=extra, headers=headers)}, {}))

    assert sorted(found) == sorted([text for text in named if set(text) & set("123")] + of_headers)


def log_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*.jsonl"))


async def test_a_secret_of_extra_is_in_no_record(tmp_path: Path) -> None:
    """Where a caller says it, or a provider repeats it."""
    profile = msgspec.structs.replace(
        ECHO, extra={"nested": {"password": "hunter2-hunter2"}, "list": [{"jwt": "j.w.t.1.y.z"}]}
    )
    config = configured(tmp_path, {"default": profile})
    async with running(config) as runtime:
        await runtime.complete(CompletionRequest(messages=(user("it is hunter2-hunter2 and j.w.t.1.y.z"),)))

    written = log_of(tmp_path)
    assert b"redacted:secret:" in written
    assert b"hunter2-hunter2" not in written
    assert b"j.w.t.1.y.z" not in written


def test_a_plain_word_is_no_secret() -> None:
    """It would be blotted out of every text in the log."""
    schema = {"properties": {"token": {"type": "string", "description": "1 of the 20 tokens"}}}
    extra = {"prompt_cache_key": "support-2", "author": "somebody 2", "eos_token": "<|im_end|>", "schema": schema}
    profile = Profile(backend="openai", extra={**extra, "oauth": "12345678", "authorization": "abcdefg8"})

    assert sorted(secret_values({"p": profile}, {})) == ["12345678", "abcdefg8"]
