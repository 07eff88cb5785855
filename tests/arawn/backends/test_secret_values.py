"""Every secret of the profiles is known to whoever writes the log."""

from __future__ import annotations

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
LEAVES = st.integers(10**8, 10**9) | st.text("abcdef", min_size=8)
TABLES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner) | st.lists(inner), max_leaves=8)


def hidden(value: Any, shown: Any) -> list[str]:
    if shown == HIDDEN:
        return [str(leaf) for leaf in leaves(value)]
    if isinstance(value, dict):
        return [text for key in value for text in hidden(value[key], shown[key])]
    if isinstance(value, list):
        return [text for one, other in zip(value, shown, strict=True) for text in hidden(one, other)]
    return []


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for one in inner for leaf in leaves(one)]
    return [value]


@given(extra=st.dictionaries(NAMES, TABLES), headers=st.dictionaries(NAMES, st.text("abcdef", min_size=8)))
def test_what_config_show_hides_is_known(extra: dict[str, Any], headers: dict[str, str]) -> None:
    """All of it and nothing else, however deep it stands."""
    profile = Profile(backend="openai", extra=extra, headers=headers)
    expected = hidden(extra, masked(extra, ("extra",))) + hidden(headers, masked(headers, ("headers",)))

    assert sorted(secret_values({"p": profile}, {})) == sorted(expected)


def log_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*.jsonl"))


async def test_a_secret_of_extra_is_in_no_record(tmp_path: Path) -> None:
    """Where a caller says it, or a provider repeats it."""
    profile = msgspec.structs.replace(
        ECHO, extra={"nested": {"password": "hunter2-hunter2"}, "list": [{"jwt": "j.w.t.x.y.z"}]}
    )
    config = configured(tmp_path, {"default": profile})
    async with running(config) as runtime:
        await runtime.complete(CompletionRequest(messages=(user("it is hunter2-hunter2 and j.w.t.x.y.z"),)))

    written = log_of(tmp_path)
    assert b"redacted:secret:" in written
    assert b"hunter2-hunter2" not in written
    assert b"j.w.t.x.y.z" not in written
