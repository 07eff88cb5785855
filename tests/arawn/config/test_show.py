from __future__ import annotations

from pathlib import Path

import pytest

from arawn.config.hidden import is_secret, masked
from arawn.config.load import Loaded, load
from arawn.config.schema import Config
from arawn.config.sources import Source

SECRET = "5011d"


def loaded(tmp_path: Path, text: str) -> Loaded:
    (tmp_path / "arawn.toml").write_text(text)
    return load(environ={"ARAWN_CONFIG_DIR": str(tmp_path), "ARAWN_LLM__TOP_P": "0.5"}, cwd=tmp_path)


def test_every_key_is_shown_with_its_value_and_origin(tmp_path: Path) -> None:
    """Values from a file, from the environment and by default stand side by side."""
    shown = loaded(tmp_path, '[llm]\nbackend = "ollama"\nmodel = "m"\nstop = ["a"]').sources

    assert shown["llm.model"] == Source("m", "arawn.toml:3")
    assert shown["llm.top_p"] == Source(0.5, "environment ARAWN_LLM__TOP_P")
    assert shown["llm.stop"] == Source(["a"], "arawn.toml:4")
    assert shown["llm.temperature"] == Source(None, "default")
    assert shown["server.auth"] == Source("token", "default")
    assert {key.split(".")[0] for key in shown} == {"llm", *Config.__struct_fields__} - {"profiles"}
    assert shown["llm.headers"] == Source({}, "default")
    texts = [shown[f"llm.{key}"].text for key in ("model", "top_p", "stop", "temperature", "headers")]
    assert texts == ['"m"', "0.5", '["a"]', "none", "{}"]


def test_no_secret_is_in_what_is_shown(tmp_path: Path) -> None:
    """Keys, tokens and passwords are hidden in profiles, headers and extra, at any depth."""
    text = f"""
        [llm]
        backend = "openai"
        model = "m"
        api_key = "{SECRET}"
        headers = {{ Authorization = "Bearer {SECRET}", x-api-key = "{SECRET}", Cookie = "{SECRET}" }}
        extra = {{ user = "me", a = {{ apiKey = "{SECRET}" }}, tools = [{{ password = ["{SECRET}"], name = "t" }}] }}
    """

    config = loaded(tmp_path, text)
    shown = {key: source.text for key, source in config.sources.items()}

    assert SECRET not in repr(config.sources)
    assert shown["llm.api_key"] == shown["llm.headers.Authorization"] == "(hidden)"
    assert shown["llm.extra.user"] == '"me"'
    assert shown["llm.extra.tools"] == '[{ "password" = "(hidden)", "name" = "t" }]'


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (("llm", "api_key"), True),
        (("llm", "api_key_env"), False),
        (("llm", "max_tokens"), False),
        (("llm", "headers", "x-api-key"), True),
        (("llm", "headers", "Proxy-Authorization"), True),
        (("llm", "headers", "set-cookie"), True),
        (("llm", "headers", "anthropic-beta"), False),
        (("llm", "extra", "max_completion_tokens"), False),
        (("llm", "extra", "client_secret_2"), True),
        (("llm", "extra", "access_token", "value"), True),
        (("llm_profiles", "token", "model"), False),
    ],
)
def test_a_secret_is_known_by_its_name(path: tuple[str, ...], secret: bool) -> None:
    """Only names below `headers` and `extra` are judged, and counts of tokens are no secrets."""
    assert is_secret(path) is secret


def test_a_key_that_is_not_set_is_not_shown_as_hidden() -> None:
    """None is no secret; hiding it would say that there is one."""
    assert masked(None, ("llm", "api_key")) is None
