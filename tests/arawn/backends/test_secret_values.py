"""Every secret of the profiles is known to whoever writes the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from arawn.backends.secret_values import proxy_passwords, secret_values
from arawn.config.hidden import HIDDEN, masked
from arawn.config.schema import Profile
from arawn.interactions.feedback import Judgement
from arawn.messages import CompletionRequest, user
from tests.runtimes import ECHO, configured, custom, running

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


async def test_what_another_profiles_command_prints_is_in_no_line(tmp_path: Path) -> None:
    """It is known once it was printed, and from then on to the records of all profiles and to what is said of them."""
    keyed = custom("http://127.0.0.1:9", api_key_command=("/bin/echo", "plainsecretvalue"))
    async with running(configured(tmp_path, {"default": keyed, "other": ECHO})) as runtime:
        ask = CompletionRequest(messages=(user("it is plainsecretvalue"),))
        answer = await runtime.complete(ask, profile="other")
        await runtime.give_feedback(str(answer.interaction_id), Judgement("good", note="plainsecretvalue"))

    written = log_of(tmp_path)
    assert b'"note":"[redacted:secret:' in written
    assert b"plainsecretvalue" not in written


@pytest.mark.parametrize(
    ("address", "password"),
    [
        ("http://me:pass%40proxy-1@proxy:3128", "pass@proxy-1"),
        ("me:passproxy-1@proxy:3128", "passproxy-1"),
        ("socks5://me:pass:pr@xy-1@[::1", "pass:pr@xy-1"),
    ],
)
async def test_the_password_of_a_proxy_is_in_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, password: str
) -> None:
    """The process holds it, whether any profile is asked through the proxy or not."""
    monkeypatch.setenv("HTTPS_PROXY", address)
    async with running(configured(tmp_path)) as runtime:
        await runtime.complete(CompletionRequest(messages=(user(f"the password is {password}"),)))

    assert b"redacted:secret:" in log_of(tmp_path)
    assert password.encode() not in log_of(tmp_path)


def test_a_proxy_without_a_password_has_none() -> None:
    """Neither an address nor a name alone is taken for one."""
    plain = {"http_proxy": "http://proxy:3128", "ALL_PROXY": "http://tokenlike@proxy:3128", "NO_PROXY": "a:bcdefghi@c"}
    assert not any(proxy_passwords(plain))
