from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.backends import local_server
from arawn.backends.open import open_provider
from arawn.backends.presets import PRESETS
from arawn.config.schema import Profile
from arawn.errors import BadRequest, ConfigError, Unavailable
from arawn.messages import CompletionRequest, user
from tests.fake_provider import FakeProvider, Reply

ASK = CompletionRequest(messages=(user("hi"),), model="m", max_tokens=3)


async def enter(backend: str, **settings: Any) -> None:
    async with open_provider("p", Profile(backend=backend, **settings), environ={}):
        pass


@pytest.mark.parametrize("kind", sorted(set(PRESETS) - {"custom", "local", "scripted"}))
async def test_every_kind_of_the_table_opens(kind: str) -> None:
    """With its key in its variable each preset is ready to be asked at its own address."""
    preset = PRESETS[kind]
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(418)

    environ = {preset.key_env: "k"} if preset.key_env else {}
    transport = httpx.MockTransport(answer)
    async with open_provider("p", Profile(backend=kind), environ=environ, transport=transport) as provider:
        with pytest.raises(BadRequest):
            await provider.complete(ASK)

    assert preset.base_url is not None
    assert asked[0].startswith(f"{preset.base_url}/")


@pytest.mark.parametrize("kind", sorted(kind for kind, preset in PRESETS.items() if preset.needs_key))
async def test_a_missing_key_is_told_at_the_start(kind: str) -> None:
    """The variable that would hold it is named."""
    with pytest.raises(Unavailable, match=f"`{PRESETS[kind].key_env}`"):
        await enter(kind, model="m")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backend": "local"}, "model: is missing"),
        ({"backend": "local", "model": "no-such-package"}, "neither a file nor an installed package"),
        ({"backend": "local", "model": "/no/such.gguf"}, "there is no file `/no/such.gguf`"),
        ({"backend": "local", "model": "pytest"}, "holds 0 GGUF files"),
    ],
)
async def test_a_profile_that_can_never_work_is_refused(settings: dict[str, Any], words: str) -> None:
    """The key and what would be right are named."""
    with pytest.raises(ConfigError, match=words) as caught:
        await enter(**settings)

    assert "profile `p`: " in str(caught.value)


@pytest.mark.parametrize("extra", [{"n_ctx": "big"}, {"n_parallel": 0}])
async def test_settings_of_the_local_server_are_checked(tmp_path: Path, extra: dict[str, object]) -> None:
    """A wrong setting is told before anything is started."""
    model = tmp_path / "m.gguf"
    model.touch()

    with pytest.raises(ConfigError, match=r"extra: .*`\$.n_"):
        await enter("local", model=str(model), extra=extra)


async def test_a_missing_model_server_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local extra is optional."""
    model = tmp_path / "m.gguf"
    model.touch()
    monkeypatch.setattr(local_server.importlib.util, "find_spec", lambda _: None)  # type: ignore[attr-defined]

    with pytest.raises(Unavailable, match=r"pip install 'arawn\[local\]'"):
        await enter("local", model=str(model))


@pytest.mark.parametrize("backend", ["openai", "groq", "custom"])
async def test_another_address_gets_the_common_name_of_the_limit(backend: str) -> None:
    """Only OpenAI's own address is sure to know the newer name."""
    with FakeProvider() as fake:
        settings: dict[str, Any] = {"base_url": f"{fake.address}/v1", "api_key": "k", "model": "m"}
        profile = Profile(backend=backend, dialect="openai", **settings)
        async with open_provider("p", profile, environ={}) as provider:
            await provider.complete(ASK)

    assert fake.received[0].json()["max_tokens"] == 3


@pytest.mark.parametrize(
    ("dialect", "path", "asked"),
    [
        ("anthropic", "", "/v1/messages"),
        ("anthropic", "/v1/", "/v1/messages"),
        ("openai", "/v1/", "/v1/chat/completions"),
        ("openai", "/api/v1", "/api/v1/chat/completions"),
    ],
)
async def test_an_address_may_name_the_version_and_end_in_a_slash(dialect: str, path: str, asked: str) -> None:
    """`/v1` is not doubled and a final slash does no harm."""
    with FakeProvider(Reply(status=418)) as fake:
        settings: dict[str, Any] = {"base_url": fake.address + path, "dialect": dialect, "model": "m"}
        async with open_provider("p", Profile(backend="custom", **settings), environ={}) as provider:
            with pytest.raises(BadRequest):
                await provider.complete(ASK)

    assert fake.received[0].path == asked
