from __future__ import annotations

from pathlib import Path

import pytest

from arawn.config.hidden import is_secret, masked
from arawn.config.load import Loaded, Source, load
from arawn.config.schema import Config
from arawn.errors import ConfigError

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


def test_a_rule_is_shown_by_its_parts(tmp_path: Path) -> None:
    """Each with the line that it stands in, as TOML would write it."""
    rules = """[routing]
[[routing.rules]]
name = "short"
condition = { complexity = "simple", keyword = "a" }
profile = "default"
"""
    shown = loaded(tmp_path, f'{rules}[llm]\nbackend = "ollama"\nmodel = "m"').sources

    assert {key: (one.text, one.origin) for key, one in shown.items() if key.startswith("routing.rules")} == {
        "routing.rules[0].name": ('"short"', "arawn.toml:3"),
        "routing.rules[0].condition.complexity": ('"simple"', "arawn.toml:4"),
        "routing.rules[0].condition.keyword": ('"a"', "arawn.toml:4"),
        "routing.rules[0].profile": ('"default"', "arawn.toml:5"),
    }
    assert loaded(tmp_path, '[llm]\nbackend = "ollama"\nmodel = "m"').sources["routing.rules"].text == "[]"


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


SHAPED = "sk-abcdefghij0123456789abcdef"
COMMANDS = {
    "serve --port 8 -v": "serve --port 8 -v",
    f"serve {SHAPED}": "serve (hidden)",
    "serve --token 5011d --port 8": "serve --token (hidden) --port 8",
    "serve --no-auth --port 8": "serve --no-auth --port 8",
    "serve --api-key=5011d&'x -v": "serve --api-key=(hidden) -v",
    "docker run -e GITHUB_TOKEN=5011d image": "docker run -e GITHUB_TOKEN=(hidden) image",
    "serve postgres://me:5011d@db/x": "serve postgres://(hidden)@db/x",
    "remote https://h/mcp?a=b&token=5011d&c=d": "remote https://h/mcp?a=b&token=(hidden)&c=d",
    "remote https://h/mcp?sig=5011d": "remote https://h/mcp?sig=(hidden)",
    "pass show openai/api-key": "pass show openai/api-key",
}
LONG = {
    "Authorization: Bearer 5011d and": "Authorization: (hidden)",
    '{"apiKey": "5011d", "x": 1}': '{"apiKey": "(hidden)", "x": 1}',
    "K_TOKEN='5011d a' serve --key \"5011d\" -v": "K_TOKEN='(hidden)' serve --key \"(hidden)\" -v",
    "serve --token 5011d -v": "serve --token (hidden) -v",
}


@pytest.mark.parametrize("key", ["command", "api_key_command", "env"])
@pytest.mark.parametrize(
    ("given", "shown"),
    [(given.split(), shown.split()) for given, shown in COMMANDS.items()]
    + [(["sh", given], ["sh", shown]) for given, shown in LONG.items()],
)
def test_a_secret_in_a_command_line_is_hidden_and_the_rest_is_shown(
    key: str, given: list[str], shown: list[str]
) -> None:
    """What an option, a variable, a header or an address gives to the name of a secret, and keys of known shapes."""
    assert masked(given, ("tools", "x", key)) == shown


def test_a_secret_in_the_address_of_a_tool_server_is_hidden(tmp_path: Path) -> None:
    """The rest of the address is shown."""
    text = '[llm]\nbackend = "ollama"\nmodel = "m"\n[tools.x]\nurl = "https://h/mcp?theApiKey=5011d&n=1"'

    assert loaded(tmp_path, text).sources["tools.x.url"].value == "https://h/mcp?theApiKey=(hidden)&n=1"


def test_a_command_that_is_no_array_is_named_without_its_secret(tmp_path: Path) -> None:
    """The error quotes what was found."""
    with pytest.raises(ConfigError, match=r'found the string `"serve --token \(hidden\) -v"`'):
        loaded(tmp_path, '[tools.x]\ncommand = "serve --token 5011d -v"')


def test_a_long_command_line_is_looked_through_in_linear_time() -> None:
    """Each of these would take minutes if each place were a beginning; what hides nothing stays as it is."""
    for piece in ("a", "-", "token ", "?a", "'"):
        assert masked([piece * 100_000], ("tools", "x", "command")) == [piece * 100_000]
    assert masked(["token=" * 100_000], ("tools", "x", "command")) == ["token=(hidden)"]
