"""Which calls make one conversation."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.filters import Filters
from arawn.messages import Message, Text, Thinking, ToolDefinition, ToolResult, ToolUse, user
from tests.arawn.interactions.export.logs import ANSWERED, ASKED, FOUND, LOOKED, SEARCH, call, made, turns, write_log
from tests.arawn.interactions.mending_logs import seal


def lengths(log: Path) -> list[int]:
    """Return how many messages each conversation has, the system prompt apart; none is dropped."""
    exported = made(log, "openai-chat")
    assert exported.manifest.dropped == {}
    return [len(row["messages"]) - 1 for row in exported.rows]


def test_fifty_iterations_are_one_row(tmp_path: Path) -> None:
    """The last call holds all that the others held."""
    write_log(tmp_path, turns(50))

    assert lengths(tmp_path) == [100]


def test_tool_calls_belong_to_the_conversation(tmp_path: Path) -> None:
    """From question over tool to answer is one row."""
    write_log(tmp_path, [call(1, ASKED, LOOKED), call(2, (*ASKED, LOOKED, FOUND))])

    assert lengths(tmp_path) == [4]


def test_an_answer_that_comes_back_in_another_form_is_the_same(tmp_path: Path) -> None:
    """Clients drop thinking, join blocks, trim text and order keys anew."""
    said = Message("assistant", (Thinking("hm"), Text("so "), Text("it is"), ToolUse("t1", "f", {"a": 1, "b": 2})))
    sent = Message("assistant", (Text("so it is\n"), ToolUse("t1", "f", {"b": 2, "a": 1})))
    write_log(tmp_path, [call(1, ASKED, said), call(2, (*ASKED, sent, FOUND))])

    assert lengths(tmp_path) == [4]


def test_an_answer_that_was_changed_is_another_conversation(tmp_path: Path) -> None:
    """The first one was said, too."""
    said = Message("assistant", (Text("so"),))
    other = Message("assistant", (Text("not so"),))
    write_log(tmp_path, [call(1, ASKED, said), call(2, (*ASKED, other, user("why?")))])

    assert lengths(tmp_path) == [2, 4]


def test_a_branch_is_a_conversation_of_its_own(tmp_path: Path) -> None:
    """Two ways on from the same beginning, and the beginning itself is in both."""
    start = (*ASKED, ANSWERED)
    write_log(
        tmp_path, [call(1, ASKED), call(2, (*start, user("a"))), call(3, (*start, user("b"))), call(4, (user("c"),))]
    )

    assert lengths(tmp_path) == [4, 4, 2]


def test_asking_again_keeps_both_answers(tmp_path: Path) -> None:
    """Neither goes on from the other."""
    write_log(tmp_path, [call(1, ASKED), call(2, ASKED, Message("assistant", (Text("another"),)))])

    assert lengths(tmp_path) == [2, 2]


def test_trying_again_after_a_failure_continues(tmp_path: Path) -> None:
    """The failed attempt is no conversation; one that fails last is, and is dropped."""
    write_log(tmp_path, [call(1, ASKED, None), call(2, ASKED)])
    write_log(tmp_path / "ends", [call(1, ASKED), call(2, (*ASKED, ANSWERED, user("more")), None)])

    retried, ended = made(tmp_path, "trl").manifest, made(tmp_path / "ends", "trl").manifest

    assert (retried.conversations, retried.rows, retried.dropped) == (1, 1, {})
    assert (ended.conversations, ended.rows, ended.dropped) == (1, 0, {"error": 1})


def test_conversations_of_other_workstreams_stay_apart(tmp_path: Path) -> None:
    """Also when they begin alike; sessions of one workstream are one conversation."""
    further = (*ASKED, ANSWERED, user("more"))
    write_log(
        tmp_path,
        [
            call(1, ASKED, workstream="one"),
            call(2, further, workstream="two"),
            call(3, further, workstream="one", session="s-2"),
            call(4, ASKED, workstream=None),
            call(5, further, workstream=None, session="s-3"),
        ],
    )

    assert lengths(tmp_path) == [4, 4, 2, 4]


def test_rows_of_what_is_not_logged_are_still_told_apart(tmp_path: Path) -> None:
    """Hashes of messages show what goes on from what."""
    config = InteractionLogConfig(include_messages=False, include_responses=False)
    write_log(tmp_path, turns(3, config=config))

    manifest = made(tmp_path, "trl").manifest

    assert (manifest.interactions, manifest.conversations, manifest.dropped) == (3, 1, {"not_logged": 1})


def test_a_result_of_a_tool_tells_conversations_apart(tmp_path: Path) -> None:
    """What the tool said is part of the history."""
    other = Message("user", (ToolResult("t1", (Text("nothing"),)),))
    more = (ANSWERED, user("more"))
    write_log(tmp_path, [call(1, (*ASKED, LOOKED, FOUND)), call(2, (*ASKED, LOOKED, other, *more))])

    assert lengths(tmp_path) == [4, 6]


LOOK = ToolDefinition("look", "Look at it", {"type": "object", "properties": {}})
NEWER = msgspec.structs.replace(SEARCH, description="Look it up anew")
TOOL_CALLS = (*ASKED, LOOKED, FOUND)


def offered(log: Path) -> list[list[str]]:
    """Return the descriptions of the tools in each row."""
    return [[tool["function"]["description"] for tool in row.get("tools", [])] for row in made(log, "openai-chat").rows]


@pytest.mark.parametrize("packed", [False, True])
def test_tools_that_were_called_keep_their_schemas(tmp_path: Path, packed: bool) -> None:
    """Though the last call offers none, or others; the latest definition counts, and what was never called goes."""
    later = (*TOOL_CALLS, ANSWERED, user("more"))
    last = (*later, ANSWERED, user("and more"))
    write_log(
        tmp_path,
        [
            call(1, ASKED, LOOKED, stop="tool_use", tools=(SEARCH, LOOK)),
            call(2, ASKED, LOOKED, stop="tool_use", tools=(SEARCH,), workstream="two"),
            call(3, TOOL_CALLS, tools=(SEARCH, LOOK)),
            call(4, TOOL_CALLS, tools=(NEWER,), workstream="two"),
            call(5, later, tools=()),
            call(6, later, tools=(), workstream="two"),
            call(7, last, tools=(LOOK,)),
            call(8, ASKED, tools=(), workstream="three"),
        ],
    )
    if packed:
        (path,) = tmp_path.glob("*.jsonl")
        seal(tmp_path, path.name, frame_bytes=2_000)

    assert offered(tmp_path) == [["Look it up anew"], ["Look at it", "Look it up"], []]


def test_every_way_on_from_a_call_keeps_the_schemas_of_its_tools(tmp_path: Path) -> None:
    """Also the second one, and one that goes on from the middle, with tools that a later call has replaced."""
    later = (*TOOL_CALLS, ANSWERED)
    write_log(
        tmp_path,
        [
            call(1, ASKED, LOOKED, stop="tool_use", tools=(SEARCH,)),
            call(2, TOOL_CALLS, tools=(LOOK,)),
            call(3, (*later, user("a")), tools=()),
            call(4, (*later, user("b")), tools=()),
            call(5, (*TOOL_CALLS, user("c")), tools=()),
        ],
    )

    assert offered(tmp_path) == [["Look it up"]] * 3


def test_tools_of_another_conversation_are_not_lent(tmp_path: Path) -> None:
    """Even where their names are the same."""
    write_log(tmp_path, [call(1, ASKED), call(2, (*TOOL_CALLS, ANSWERED, user("else")), tools=(), session="s-9")])

    assert offered(tmp_path)[-1] == []


def test_a_last_call_that_failed_costs_the_whole_conversation_and_it_is_said(tmp_path: Path) -> None:
    """The manifest counts the answered calls that went with it; asked for alone, they are there."""
    *good, last = turns(5)
    failed = msgspec.structs.replace(last, status="error", response_content=())
    write_log(tmp_path, [*good, failed, *turns(2, first=10)])

    dropped, asked = made(tmp_path, "openai-chat"), made(tmp_path, "openai-chat", wanted=Filters(status="ok"))

    assert dropped.manifest.dropped == {"error": 1}
    assert (dropped.manifest.rows, dropped.manifest.answered_calls_dropped) == (1, 4)
    assert (asked.manifest.rows, asked.manifest.answered_calls_dropped) == (2, 0)


def test_a_client_that_trims_its_window_begins_a_conversation_with_each_call(tmp_path: Path) -> None:
    """Only equal beginnings make one conversation; a question asked anew gives an equal row."""
    history = (*ASKED, ANSWERED, user("a"), ANSWERED, user("b"))
    write_log(
        tmp_path, [call(1, history), call(2, (*history[2:], ANSWERED, user("c"))), call(3, ASKED), call(4, ASKED)]
    )

    exported = made(tmp_path, "openai-chat")

    assert [len(row["messages"]) - 1 for row in exported.rows] == [6, 6, 2, 2]
    assert exported.rows[2] == exported.rows[3]


def test_answered_calls_that_two_dropped_conversations_share_count_once(tmp_path: Path) -> None:
    """A client that asks anew in other words, and fails again, loses its answers once."""
    *good, last = turns(5)
    failed = msgspec.structs.replace(last, status="error", response_content=())
    said = {"role": "user", "content": [{"type": "text", "text": "in other words"}]}
    other = msgspec.structs.replace(failed, id=call(9, ASKED).id, messages=(*last.messages[:-1], said))
    write_log(tmp_path, [*good, failed, other])

    manifest = made(tmp_path, "openai-chat").manifest

    assert manifest.dropped == {"error": 2}
    assert manifest.answered_calls_dropped == len(good)
