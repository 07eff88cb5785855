from __future__ import annotations

import sys
from pathlib import Path

import pytest
from trio.testing import MockClock

from arawn.backends.keys import resolve_key
from arawn.backends.presets import PRESETS
from arawn.config.schema import Profile
from arawn.errors import Unavailable
from arawn.server.auth import ensure_token


async def resolve(kind: str = "groq", environ: dict[str, str] | None = None, **settings: object) -> str | None:
    profile = Profile(backend=kind, model="m", **settings)  # type: ignore[arg-type]  # keys only
    return await resolve_key("p", profile, PRESETS[kind], environ=environ or {})


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


async def test_the_key_is_found_where_the_profile_says() -> None:
    """The profile's own key, its variable, its command, else the variable of the kind."""
    environ = {"GROQ_API_KEY": " usual\n", "OTHER": "other"}

    assert await resolve(environ=environ) == "usual"
    assert await resolve(environ=environ, api_key="own") == "own"
    assert await resolve(environ=environ, api_key_env="OTHER") == "other"
    assert await resolve(environ=environ, api_key_command=python("print('from command\\nnote'[5:])")) == "command"


async def test_a_missing_key_names_every_way_to_give_one() -> None:
    """The message is enough to set it right; trying again is not."""
    with pytest.raises(Unavailable) as caught:
        await resolve(environ={"GROQ_API_KEY": ""})

    for word in ("profile `p` (groq)", "`GROQ_API_KEY`", "`api_key_command`", "`api_key`"):
        assert word in str(caught.value)
    assert not caught.value.retryable


async def test_a_kind_without_a_key_needs_none() -> None:
    """Only a variable that was named must exist."""
    assert await resolve("ollama") is None
    assert await resolve("custom", api_key="k") == "k"
    with pytest.raises(Unavailable, match="`MINE`"):
        await resolve("custom", api_key_env="MINE")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('s3cret'); raise SystemExit(3)", "exited with 3"),
        ("pass", "printed nothing"),
        ("print('s3cret and more')", "cannot be sent"),
    ],
)
async def test_a_command_that_fails_is_reported_without_its_output(code: str, words: str) -> None:
    """The output may be the key."""
    with pytest.raises(Unavailable, match=words) as caught:
        await resolve(api_key_command=python(code))

    assert "s3cret" not in str(caught.value)


async def test_a_command_that_is_not_there_is_named() -> None:
    """The program's name is shown, its arguments are not."""
    with pytest.raises(Unavailable, match="`/no/such` for its key: it cannot be started") as caught:
        await resolve(api_key_command=("/no/such", "s3cret"))

    assert "s3cret" not in str(caught.value)


async def test_a_command_that_does_not_end_is_killed(autojump_clock: MockClock) -> None:
    """Ten seconds are enough to read a key."""
    with pytest.raises(Unavailable, match="did not end within 10 s"):
        await resolve(api_key_command=python("import time; time.sleep(600)"))


@pytest.mark.parametrize("key", ["a b", "kéy", "a\nb", "a\x00b"])
async def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    """The source is named, the key is not."""
    with pytest.raises(Unavailable, match="the environment variable `GROQ_API_KEY` holds") as caught:
        await resolve(environ={"GROQ_API_KEY": key})

    assert key not in str(caught.value)


@pytest.mark.parametrize("kept", ["variable", "file"])
async def test_the_token_of_the_daemon_is_sent_to_no_provider(kept: str, tmp_path: Path) -> None:
    """Clients are told to look for it in the variable where the provider's key stands otherwise."""
    environ = {"ARAWN_STATE_DIR": str(tmp_path), **({"ARAWN_TOKEN": "long-token"} if kept == "variable" else {})}
    environ["OPENAI_API_KEY"] = environ["MINE"] = ensure_token(tmp_path, environ)

    with pytest.raises(Unavailable, match="`OPENAI_API_KEY` holds the token of this daemon, not a key of openai") as no:
        await resolve("openai", environ)

    assert environ["MINE"] not in str(no.value)
    assert await resolve("openai", environ, api_key_env="MINE") == environ["MINE"]  # of another daemon, say
    assert await resolve("openai", {**environ, "OPENAI_API_KEY": "sk-other"}) == "sk-other"
