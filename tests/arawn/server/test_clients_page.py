"""`docs/clients.md` names keys, variables and addresses that exist."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from arawn.backends import anthropic
from arawn.config.load import load
from arawn.config.schema import Config, Profile, ServerConfig
from arawn.server.v1.routes import v1_routes
from tests.memory_runtime import MemoryRuntime

PAGE = Path("docs/clients.md").read_text("utf-8")
ADDRESS = f"http://{ServerConfig().listen}"

# What the programs document, as far as the page uses it. Codex refuses other keys with `--strict-config`.
CODEX = {"model", "model_provider", "model_providers"}
CODEX_PROVIDER = {"name", "base_url", "env_key", "wire_api"}
OPENCODE = {"$schema", "model", "small_model", "provider"}
OPENCODE_PROVIDER = {"npm", "name", "options", "models"}
VARIABLES = {
    "ARAWN_TOKEN",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "OPENAI_API_KEY",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_API_BASE",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
}


class Configured(MemoryRuntime):
    config = Config(profiles={"default": Profile(backend="scripted")})


def block(section: str, kind: str) -> str:
    """Return the first block of `kind` in a section."""
    found: list[str] = re.findall(
        rf"```{kind}\n(.*?)```", PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0], re.DOTALL
    )
    return found[0]


def profile(tmp_path: Path) -> tuple[str, Profile]:
    file = tmp_path / "arawn.toml"
    file.write_text(block("A profile for an agent", "toml"))
    loaded = load(config_file=file, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    ((name, shown),) = [(name, one) for name, one in loaded.config.profiles.items() if name != "default"]
    return name, shown


def test_the_profile_is_one_that_arawn_takes(tmp_path: Path) -> None:
    """Every key is known, and says what the text says of it."""
    _, shown = profile(tmp_path)

    assert shown.retry.attempts == 1
    assert shown.max_tokens is not None
    assert f"it is told {anthropic._MAX_TOKENS} tokens" in PAGE


def test_codex_is_given_keys_that_it_has(tmp_path: Path) -> None:
    """The model is the profile of the page, the token's variable the one that is set."""
    name, _ = profile(tmp_path)
    shown = tomllib.loads(block("Codex", "toml"))
    (provider,) = shown["model_providers"].values()

    assert (set(shown), set(provider)) == (CODEX, CODEX_PROVIDER)
    assert shown["model_provider"] in shown["model_providers"]
    assert (shown["model"], provider["env_key"], provider["wire_api"]) == (name, "ARAWN_TOKEN", "responses")
    assert served(provider["base_url"], "/responses")


def test_opencode_is_given_keys_that_it_has(tmp_path: Path) -> None:
    """Its models are those of its provider."""
    name, _ = profile(tmp_path)
    shown: dict[str, Any] = json.loads(block("opencode", "json"))
    ((own, provider),) = shown["provider"].items()

    assert (set(shown), set(provider)) == (OPENCODE, OPENCODE_PROVIDER)
    assert (
        {shown["model"], shown["small_model"]}
        == {f"{own}/{model}" for model in provider["models"]}
        == {f"{own}/{name}"}
    )
    assert provider["options"]["apiKey"] == "{env:ARAWN_TOKEN}"
    assert served(provider["options"]["baseURL"], "/chat/completions")


@pytest.mark.parametrize("section", ["Claude Code", "aider", "Frameworks and SDKs"])
def test_every_variable_exists_and_every_address_is_that_of_the_daemon(section: str, tmp_path: Path) -> None:
    """Those of OpenAI end with `/v1`, those of Anthropic do not; models are the profile of the page."""
    name, _ = profile(tmp_path)
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    said = re.findall(r"(?:export| )\s*([A-Z_]+)=(\S+)", text)

    assert said
    for variable, value in said:
        expected = {"BASE": ADDRESS + "/v1" * variable.startswith("OPENAI"), "KEY": "$ARAWN_TOKEN", "MODEL": name}
        kind = "BASE" if "BASE" in variable else variable.rpartition("_")[2]
        assert value == expected.get(kind, "$ARAWN_TOKEN")
    assert served(ADDRESS, "/v1/messages")
    assert all(f"/{name}" in line for line in text.splitlines() if line.startswith("aider "))


def test_no_variable_is_named_that_nobody_reads() -> None:
    """In the text too."""
    named = set(re.findall(r"\b((?:ARAWN|OPENAI|ANTHROPIC)_[A-Z_]*[A-Z])\b", PAGE))

    assert named - {"ANTHROPIC_DEFAULT"} == VARIABLES


def served(base: str, path: str) -> bool:
    """Say whether a program that adds `path` to `base` reaches a route of the daemon."""
    return ("POST", (base + path).removeprefix(ADDRESS)) in v1_routes(Configured())  # type: ignore[arg-type]  # stands in for one
