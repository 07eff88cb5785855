"""`arawn route explain`: what decides where a call goes, and the rules that cannot be meant."""

from __future__ import annotations

import json

import pytest

from arawn.messages import CompletionRequest
from arawn.routing import RoutingDecision
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import ROUTED, Place

PLAIN = """
[llm_profiles.fast]
backend = "scripted"

[routing]
enabled = true
"""


class Wordy:
    def route(self, _: CompletionRequest, /) -> RoutingDecision:
        return RoutingDecision("fast", "first\nsecond")


def test_an_explanation_shows_each_rule_with_what_decided_it(routed: Command) -> None:
    """The verdict, and the value that was found."""
    shown = routed("route", "explain", "hello")

    assert shown.code == 0
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert lines[:3] == ["profile fast", "reason HeuristicRule(short)", "confidence 1.00"]
    assert "tools default fails has_tools = true, found false" in lines
    decided = 'short fast decides complexity = "simple", found simple; message_length < 20, found 5'
    assert decided in lines


def test_an_explanation_shows_texts_as_they_are(routed: Command, place: Place) -> None:
    """No escapes for a picture character, no brackets, and a reason of several lines stays a row."""
    rule = 'name = "fox"\ncondition = { keyword = "🦊" }\nprofile = "fast"'
    place.configure(f'[llm]\nbackend = "scripted"\n{PLAIN}[[routing.rules]]\n{rule}\n')

    without, with_it = routed("route", "explain", "hello").out, routed("route", "explain", "debug a 🦊").out

    assert 'keyword = "🦊", found none' in without
    assert 'keyword = "🦊", found debug, 🦊' in with_it


def test_a_reason_of_several_lines_is_one(routed: Command, place: Place) -> None:
    """A policy of one's own may say anything."""
    place.configure(f'[llm]\nbackend = "scripted"\n{PLAIN}policy = "{__name__}:Wordy"\n')

    assert "reason      first\\nsecond\nconfidence" in routed("route", "explain", "hello").out


def test_an_explanation_as_json_agrees(routed: Command) -> None:
    """For programs."""
    told = json.loads(routed("route", "explain", "hello there, you long message", "--json").out)

    assert (told["profile"], told["reason"], told["enabled"]) == ("default", "Default", True)
    assert [rule["verdict"] for rule in told["rules"]] == ["fails", "fails"]
    assert told["features"]["message_length"] == 29


def test_a_hint_is_explained_too(routed: Command) -> None:
    """It decides, and the rule that matches is shown to match."""
    told = json.loads(routed("route", "explain", "hello", "--profile", "default", "--json").out)

    assert told["reason"] == "CallerHint"
    assert [rule["verdict"] for rule in told["rules"]] == ["fails", "matches"]


def test_a_request_file_is_explained(routed: Command, place: Place) -> None:
    """In any dialect, from a file or standard input."""
    tools = [{"name": f"t{number}", "input_schema": {}} for number in range(4)]
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "tools": tools})
    (place.directory / "request.json").write_text(body)

    assert "HeuristicRule(tools)" in routed("route", "explain", "--file", "request.json").out
    assert "HeuristicRule(tools)" in routed("route", "explain", "--file", "-", piped=body).out


@pytest.mark.parametrize(
    ("arguments", "piped", "words"),
    [
        ((), "", "give one of PROMPT, `--file` and `--interaction`"),
        (("hi", "--interaction", "latest"), "", "give one of PROMPT"),
        (("",), "", "PROMPT is empty, and `/chat` refuses an empty message"),
        (("--file", "-"), "{", "the request of the file cannot be made: the request body is not JSON"),
        (("--file", "nope.json"), "", "nope.json"),
        (("hi", "--profile", "nope"), "", "unknown profile `nope`"),
        (("--interaction", "latest"), "", "there is no interaction log"),
    ],
)
def test_what_cannot_be_explained_is_wrong_use(
    routed: Command, arguments: tuple[str, ...], piped: str, words: str
) -> None:
    """One message, exit code 2."""
    failed = routed("route", "explain", *arguments, piped=piped)

    assert (failed.code, failed.out) == (2, "")
    assert words in failed.err


def test_a_workstream_in_a_file_is_said_not_to_be_looked_up(routed: Command) -> None:
    """Not passed over in silence."""
    shown = routed("route", "explain", "--file", "-", piped='{"message": "hi", "workstream": "w"}')

    assert "what `w` is bound to and holds is not looked up" in shown.err


def test_a_model_in_a_file_means_what_it_means_for_a_call(routed: Command) -> None:
    """A name that no profile has is refused, with the names there are."""
    body = {"model": "zzz", "messages": [{"role": "user", "content": "hi"}]}
    failed = routed("route", "explain", "--file", "-", piped=json.dumps(body))

    assert (failed.code, failed.out) == (2, "")
    assert "no profile has the name or the model `zzz`" in failed.err


def test_a_logged_call_is_explained_with_what_was_decided_then(routed: Command, place: Place) -> None:
    """Under the configuration of now; its hint stays."""
    assert routed("ask", "hello", "--profile", "fast").code == 0
    place.configure(ROUTED.replace("message_length_lt = 20", "message_length_lt = 2"))

    told = json.loads(routed("route", "explain", "--interaction", "latest", "--json").out)

    assert (told["recorded"], told["reason"], told["hint"]) == ("fast, CallerHint", "CallerHint", "fast")


@pytest.mark.parametrize(
    ("of_call", "had"),
    [(("--profile", "slow"), "asked for"), (("--workstream", "w"), "had a workstream bound to")],
    ids=["hint", "binding"],
)
def test_a_logged_call_whose_profile_is_gone_is_explained_without_it(
    routed: Command, place: Place, of_call: tuple[str, str], had: str
) -> None:
    """Nobody has named it now; a profile that is named now decides as ever."""
    bound = '[workstreams.named.w]\nprofile = "slow"\n'
    place.configure(f'{ROUTED}[llm_profiles.slow]\nbackend = "scripted"\n{bound}')
    assert routed("ask", "hello", *of_call).code == 0
    place.configure(ROUTED)

    shown = routed("route", "explain", "--interaction", "latest", "--json")
    named = routed("route", "explain", "--interaction", "latest", "--profile", "default", "--json")

    said = f"the call {had} the profile `slow`, which is no longer configured; it is explained without that\n"
    assert (shown.code, shown.err) == (0, said)
    assert json.loads(shown.out)["reason"] == "HeuristicRule(short)"
    assert (json.loads(named.out)["reason"], named.err) == ("CallerHint", "")


def test_a_rule_that_cannot_be_meant_is_named_with_its_line(routed: Command, place: Place) -> None:
    """Before anything is done."""
    place.configure(ROUTED.replace("complexity", "complexty").replace('profile = "fast"', 'profile = "fats"'))

    failed = routed("route", "explain", "hi")

    assert failed.code == 2
    assert "config.toml:18: routing.rules[1].condition.complexty: unknown condition" in failed.err
    assert "config.toml:19: routing.rules[1].profile: unknown profile `fats`" in failed.err
