"""Which tools a responses request leaves the model to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import Answer, upstream

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "patch"}
MAPS = {"type": "namespace", "name": "maps", "description": "Maps.", "tools": [LOOK, {**PATCH, "name": "draw"}]}
SEARCH = {"type": "web_search"}
TOOLS = [LOOK, PATCH, MAPS, SEARCH]


async def ask(directory: Path, kind: str, **body: Any) -> tuple[httpx.Response, dict[str, Any]]:
    return await send("/v1/responses", directory, kind, **{"input": "hi", "tools": TOOLS, **body})


async def send(path: str, directory: Path, kind: str, **body: Any) -> tuple[httpx.Response, dict[str, Any]]:
    asked = {"model": "p", **body}
    with upstream(kind, directory, Answer("ok"), stream=False) as up:
        async with open_api(directory, {"p": up.profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(f"{url}{path}", json=asked, headers={"x-api-key": TOKEN})
        return response, up.sent() if response.status_code == 200 else {}


def allowed(*tools: dict[str, Any], mode: str = "auto") -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


def offered(sent: dict[str, Any]) -> list[str]:
    return [tool.get("name") or tool["function"]["name"] for tool in sent["tools"]]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"type": "custom", "name": "patch"}, "patch"),
        ({"type": "custom", "name": "draw", "namespace": "maps"}, "maps__draw"),
        ({"type": "custom", "name": "draw"}, "maps__draw"),
    ],
)
async def test_a_tool_that_takes_text_can_be_chosen(
    kind: str, choice: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """As the function that it is offered as; the answer repeats the choice as it was made."""
    response, sent = await ask(tmp_path, kind, tool_choice=choice)

    chosen = sent["tool_choice"]
    assert (chosen.get("name") or chosen["function"]["name"]) == name
    assert response.json()["tool_choice"] == choice


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (allowed({"type": "custom", "name": "patch"}, SEARCH), ["patch"]),
        (allowed({"type": "function", "name": "look"}), ["look"]),
        (allowed({"type": "function", "name": "look", "namespace": "maps"}), ["maps__look"]),
        (allowed({"type": "namespace", "name": "maps"}), ["maps__look", "maps__draw"]),
    ],
)
async def test_of_allowed_tools_these_alone_are_offered(
    choice: dict[str, Any], names: list[str], tmp_path: Path
) -> None:
    """No other backend has a word for it; what a namespace is for is said with its tools alone."""
    response, sent = await ask(tmp_path, "anthropic", tool_choice=choice)

    assert offered(sent) == names
    assert ("Maps." in str(sent.get("system"))) is names[0].startswith("maps__")
    assert response.json()["tool_choice"] == choice


@pytest.mark.parametrize(("kind", "word"), [("openai", "required"), ("anthropic", {"type": "any"})])
async def test_one_of_them_can_be_demanded(kind: str, word: Any, tmp_path: Path) -> None:
    """By the mode."""
    _, sent = await ask(tmp_path, kind, tool_choice=allowed(LOOK, PATCH, mode="required"))

    assert (offered(sent), sent["tool_choice"]) == (["look", "patch"], word)


async def test_calls_of_the_history_keep_their_names(tmp_path: Path) -> None:
    """Also of tools that are not allowed now."""
    call = {"type": "custom_tool_call", "call_id": "c", "name": "draw", "namespace": "maps", "input": "x"}
    items = [{"role": "user", "content": "hi"}, call, {**call, "type": "custom_tool_call_output", "output": "ok"}]
    _, sent = await ask(tmp_path, "openai", input=items, tool_choice=allowed(LOOK))

    assert sent["messages"][1]["tool_calls"][0]["function"]["name"] == "maps__draw"


@pytest.mark.parametrize(
    ("tools", "choice", "words"),
    [
        (TOOLS, allowed(SEARCH), "allows no tool"),
        ([LOOK], allowed({"type": "function", "name": "find"}), "allows no tool"),
        ([LOOK], allowed(), "allows no tool"),
        ([LOOK], {**allowed(LOOK), "mode": "none"}, "`allowed_tools`"),
        ([LOOK], {"type": "custom"}, "`custom`"),
    ],
)
async def test_a_choice_that_leaves_nothing_is_refused(tools: Any, choice: Any, words: str, tmp_path: Path) -> None:
    """Saying what it would have to name."""
    response, _ = await ask(tmp_path, "openai", tools=tools, tool_choice=choice)

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


def of_chat(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


async def chat(kind: str, directory: Path, *names: str, mode: str = "auto") -> tuple[httpx.Response, dict[str, Any]]:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [of_chat(name) for name in names]}}
    said = [{"role": "user", "content": "hi"}]
    tools = [of_chat("look"), of_chat("draw")]
    return await send("/v1/chat/completions", directory, kind, messages=said, tools=tools, tool_choice=choice)


@pytest.mark.parametrize(("mode", "word"), [("auto", "auto"), ("required", "any")])
async def test_of_allowed_tools_of_chat_completions_these_alone_are_offered(
    mode: str, word: str, tmp_path: Path
) -> None:
    """As of those of responses; a provider of the dialect itself is told the choice as it was made."""
    _, sent = await chat("anthropic", tmp_path / "a", "draw", mode=mode)
    _, same = await chat("openai", tmp_path / "o", "draw", mode=mode)

    assert (offered(sent), sent["tool_choice"]) == (["draw"], {"type": word})
    assert (offered(same), same["tool_choice"]["allowed_tools"]["mode"]) == (["look", "draw"], mode)


@pytest.mark.parametrize(("names", "mode"), [([], "auto"), (["nothing"], "auto"), (["look"], "never")])
async def test_a_choice_of_chat_completions_that_allows_nothing_is_refused(
    names: list[str], mode: str, tmp_path: Path
) -> None:
    """400, as it would be by responses."""
    response, _ = await chat("anthropic", tmp_path, *names, mode=mode)

    assert response.status_code == 400
    assert "tool_choice" in response.json()["error"]["message"]
