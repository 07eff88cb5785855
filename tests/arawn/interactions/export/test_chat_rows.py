"""Rows for training: their published shapes, and what is dropped."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput
from arawn.interactions.export.rules import Choice, Format, chosen_drops
from arawn.interactions.record import InteractionRecord
from arawn.messages import Image, Message, Text, Thinking, ToolResult, ToolUse, user
from tests.arawn.interactions.export.logs import (
    ANSWERED,
    ASKED,
    FOUND,
    LOOKED,
    call,
    made,
    write_log,
)
from tests.arawn.interactions.export.shapes import SHAPES, require_shape

PARALLEL = Message("assistant", (ToolUse("a", "search", {"q": "x"}), ToolUse("b", "search", {"q": [1, {}]})))
BOTH = Message("user", (ToolResult("a", (Text("one"),)), ToolResult("b", (Text("two"),), is_error=True), Text("go on")))
PICTURE = Image(media_type="image/png", data="aGk=")


@pytest.mark.parametrize("export_format", SHAPES)
def test_rows_have_the_published_shape(tmp_path: Path, export_format: Format) -> None:
    """With and without tools, calls side by side, text beside calls, thinking, no system prompt."""
    write_log(
        tmp_path,
        [
            call(1, (*ASKED, LOOKED, FOUND), session="a", workstream=None),
            call(2, (*ASKED, PARALLEL, BOTH), session="b", workstream=None),
            call(3, ASKED, Message("assistant", (Thinking("hm"), Text("so"))), session="c", tools=(), system=None),
            call(4, (user("one"), user("two")), session="d", workstream=None),
        ],
    )

    exported = made(tmp_path, export_format)

    assert len(exported.rows) == 4
    for row in exported.rows:
        require_shape(row, export_format)
    assert exported.manifest.left_out == {"thinking": 1, "tool_error_marks": 1}


def test_an_openai_row_is_what_the_model_was_sent_and_said(tmp_path: Path) -> None:
    """System prompt first, full schemas, results by the id of their call, the answer last."""
    write_log(tmp_path, [call(1, (*ASKED, LOOKED, FOUND))])

    (row,) = made(tmp_path, "openai-chat").rows

    call_sent = {"id": "t1", "type": "function", "function": {"name": "search", "arguments": '{"q":"it"}'}}
    assert row["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is it?"},
        {"role": "assistant", "content": "let me see", "tool_calls": [call_sent]},
        {"role": "tool", "tool_call_id": "t1", "content": "a thing"},
        {"role": "assistant", "content": "a thing"},
    ]
    assert row["tools"][0]["function"]["parameters"]["required"] == ["q"]
    assert row["parallel_tool_calls"] is False


def test_a_trl_row_names_the_tool_that_answered(tmp_path: Path) -> None:
    """Arguments and tools are JSON text, so that every row has columns of the same types."""
    write_log(tmp_path, [call(1, (*ASKED, LOOKED, FOUND))])

    (row,) = made(tmp_path, "trl").rows

    assert [message["name"] for message in row["messages"]] == [None, None, None, "search", None]
    assert json.loads(row["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"q": "it"}
    assert json.loads(row["tools"])[0]["function"]["name"] == "search"


def test_the_sides_of_a_sharegpt_row_alternate(tmp_path: Path) -> None:
    """Calls side by side and their results are one turn each; text beside them stands in the same turn."""
    talk = (*ASKED, LOOKED, FOUND, Message("assistant", (Text("more?"),)), user("yes"), PARALLEL)
    write_log(tmp_path, [call(1, (*talk, BOTH))])

    (row,) = made(tmp_path, "sharegpt").rows

    sides = ["human", "function_call", "observation", "gpt", "human", "function_call", "observation", "gpt"]
    assert [turn["from"] for turn in row["conversations"]] == sides
    values = [turn["value"] for turn in row["conversations"]]
    assert values[1] == 'let me see\n<tool_call>{"name":"search","arguments":{"q":"it"}}</tool_call>'
    assert json.loads(values[5])[1] == {"name": "search", "arguments": {"q": [1, {}]}}
    results, _, text = values[6].partition("\n\n")
    assert ([result["content"] for result in json.loads(results)], text) == (["one", "two"], "go on")
    assert (row["system"], json.loads(row["tools"])[0]["name"]) == ("be brief", "search")


CUT = InteractionLogConfig(truncate_tool_results=3)
UNLOGGED = InteractionLogConfig(include_messages=False)
BROKEN = Message("assistant", (ToolUse("t1", "search", invalid_arguments="{"),))
WRONG = Message("user", (ToolUse("t9", "search"),))

DROPPED: list[tuple[str, InteractionRecord]] = [
    ("error", call(1, ASKED, None)),
    ("cancelled", call(1, ASKED, None, status="cancelled")),
    ("partial", call(1, ASKED, status="partial")),
    ("cut_answer", call(1, ASKED, stop="max_tokens")),
    ("truncated", call(1, (*ASKED, LOOKED, FOUND), config=CUT)),
    ("redacted", call(1, (user("my key is hunter2-hunter2"),), secrets=("hunter2-hunter2",))),
    ("not_logged", call(1, ASKED, config=UNLOGGED)),
    ("not_logged", call(1, ASKED, config=InteractionLogConfig(include_responses=False))),
    ("no_answer", call(1, ASKED, Message("assistant", (Thinking("hm"),)))),
    ("unfinished", call(1, ASKED, LOOKED)),
    ("invalid_arguments", call(1, (*ASKED, BROKEN, FOUND))),
    ("unpaired_tools", call(1, (*ASKED, LOOKED, user("never mind")))),
    ("unpaired_tools", call(1, (FOUND,))),
    ("malformed", call(1, (WRONG,))),
    ("image", call(1, (*ASKED, LOOKED, Message("user", (ToolResult("t1", (PICTURE,)),))))),
]


@pytest.mark.parametrize("export_format", SHAPES)
@pytest.mark.parametrize(("reason", "logged"), DROPPED)
def test_what_is_not_fit_for_training_is_dropped_by_reason(
    tmp_path: Path, export_format: Format, reason: str, logged: InteractionRecord
) -> None:
    """The manifest says why."""
    write_log(tmp_path, [logged])

    exported = made(tmp_path, export_format)

    assert exported.rows == []
    assert exported.manifest.dropped == {reason: 1}


@pytest.mark.parametrize(("reason", "logged"), [pair for pair in DROPPED if pair[0] in ("cut_answer", "truncated")])
def test_what_is_dropped_by_default_can_be_kept(tmp_path: Path, reason: Choice, logged: InteractionRecord) -> None:
    """By its reason."""
    write_log(tmp_path, [logged])

    exported = made(tmp_path, "trl", keep=[reason])

    assert len(exported.rows) == 1
    assert exported.manifest.dropped == {}


def test_conversations_without_tools_can_be_dropped(tmp_path: Path) -> None:
    """A conversation counts by all of its calls, not by the last."""
    write_log(tmp_path, [call(1, ASKED, session="a", workstream=None), call(2, (*ASKED, LOOKED, FOUND))])

    exported = made(tmp_path, "trl", drop=["no_tools"])

    assert (exported.manifest.rows, exported.manifest.dropped) == (1, {"no_tools": 1})


def test_a_conversation_that_ends_with_a_call_that_was_answered_is_finished(tmp_path: Path) -> None:
    """It ends as the model ended it: with the call."""
    from tests.arawn.interactions.test_reader import result

    ending = call(1, ASKED, LOOKED)
    write_log(tmp_path, [ending, result(ending.id, "t1")])

    (row,) = made(tmp_path, "openai-chat").rows

    assert row["messages"][-1]["tool_calls"][0]["id"] == "t1"


def test_pictures_of_the_user_stay_where_the_format_has_them(tmp_path: Path) -> None:
    """For OpenAI; the others drop the conversation."""
    write_log(tmp_path, [call(1, (Message("user", (Text("what?"), PICTURE)),))])

    row = made(tmp_path, "openai-chat").rows[0]

    require_shape(row, "openai-chat")
    assert row["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert made(tmp_path, "trl").manifest.dropped == {"image": 1}


def test_per_call_makes_a_row_of_each(tmp_path: Path) -> None:
    """A call of a tool is then an answer like any other."""
    write_log(tmp_path, [call(1, ASKED, LOOKED), call(2, (*ASKED, LOOKED, FOUND)), call(3, ASKED, None)])

    exported = made(tmp_path, "openai-chat", per_call=True)

    assert [len(row["messages"]) for row in exported.rows] == [3, 5]
    assert (exported.manifest.row, exported.manifest.conversations) == ("interaction", None)
    assert exported.manifest.dropped == {"error": 1}


def test_a_row_of_a_call_trains_its_answer_alone(tmp_path: Path) -> None:
    """An earlier answer, which may have been judged bad, has the weight 0 there; in a conversation none has one."""
    write_log(tmp_path, [call(1, ASKED, LOOKED), call(2, (*ASKED, LOOKED, FOUND, ANSWERED, user("and?")))])

    weights = [
        [message.get("weight") for message in row["messages"] if message["role"] == "assistant"]
        for row in (*made(tmp_path, "openai-chat", per_call=True).rows, *made(tmp_path, "openai-chat").rows)
    ]

    assert weights == [[None], [0, 0, None], [None, None, None]]


SWAPPED = Message("user", (ToolResult("b", (Text("two"),)), ToolResult("a", (Text("one"),))))


def test_results_of_sharegpt_are_in_the_order_of_their_calls(tmp_path: Path) -> None:
    """A row has no ids: order alone says which result is whose."""
    write_log(tmp_path, [call(1, (*ASKED, PARALLEL, SWAPPED))])

    (row,) = made(tmp_path, "sharegpt").rows

    (seen,) = [turn["value"] for turn in row["conversations"] if turn["from"] == "observation"]
    assert [result["content"] for result in json.loads(seen)] == ["one", "two"]


def test_a_sharegpt_row_begins_with_the_user(tmp_path: Path) -> None:
    """Trainers of this format demand it; others take a greeting of the model."""
    write_log(tmp_path, [call(1, (Message("assistant", (Text("Hello"),)), *ASKED))])

    exported = made(tmp_path, "sharegpt")

    assert (exported.rows, exported.manifest.dropped) == ([], {"no_question": 1})
    assert len(made(tmp_path, "openai-chat").rows) == 1


PARTED = Message("assistant", tuple(map(Text, ("The grass", " is ", "green."))))


@pytest.mark.parametrize("export_format", ["openai-chat", "trl", "sharegpt"])
def test_an_answer_in_parts_is_one_text(tmp_path: Path, export_format: Format) -> None:
    """As providers send one with citations: in the answer itself, and in what was said before."""
    write_log(tmp_path, [call(1, (*ASKED, PARTED, user("And?")), PARTED)])

    (row,) = made(tmp_path, export_format).rows

    said = [turn.get("value") or turn.get("content") for turn in row.get("conversations") or row["messages"]]
    assert said.count("The grass is green.") == 2


@pytest.mark.parametrize("export_format", ["trl", "sharegpt"])
def test_a_row_names_the_call_that_it_ends_with(tmp_path: Path, export_format: Format) -> None:
    """So there is a way back to the log; OpenAI takes no key that it does not know."""
    looked, found = call(1, ASKED, LOOKED), call(2, (*ASKED, LOOKED, FOUND))
    write_log(tmp_path, [looked, found])

    assert [row["id"] for row in made(tmp_path, export_format).rows] == [found.id]
    assert [row["id"] for row in made(tmp_path, export_format, per_call=True).rows] == [looked.id, found.id]
    assert "id" not in made(tmp_path, "openai-chat").rows[0]


def test_a_bad_choice_is_refused() -> None:
    """Kept and dropped at once, or a training row without an answer."""
    with pytest.raises(BadInput, match="both kept and dropped"):
        chosen_drops("jsonl", keep=["redacted"], drop=["redacted"])
    with pytest.raises(BadInput, match="no whole answer"):
        chosen_drops("trl", keep=["partial"])
    assert chosen_drops("jsonl", drop=["error"]) == {"error"}


def test_trl_rows_load_with_the_types_of_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a tool was ever called or not, `datasets` gives the same columns."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    import datasets

    logs = {"with": [call(1, (*ASKED, LOOKED, FOUND))], "without": [call(1, ASKED, ANSWERED, tools=())]}
    features = []
    for name, lines in logs.items():
        write_log(tmp_path / name, lines)
        exported = made(tmp_path / name, "trl")
        (tmp_path / f"{name}.jsonl").write_bytes(exported.data)
        said = msgspec.json.decode(msgspec.json.encode(exported.manifest))["features"]
        loaded = datasets.load_dataset(
            "json",
            data_files=str(tmp_path / f"{name}.jsonl"),
            split="train",
            features=datasets.Features.from_dict(said),
            cache_dir=str(tmp_path / "cache"),
        )
        assert [dict(row) for row in loaded] == exported.rows
        features.append(loaded.features)

    assert features[0] == features[1]
