"""`arawn route`: which profile takes a call, why, and what another configuration would do."""

from __future__ import annotations

import os
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.group import LazyGroup
from arawn.cli.interrupts import run_async
from arawn.cli.log_reading import required_log, warn
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json, print_table, say, warn_of
from arawn.cli.table_fit import on_one_line
from arawn.config.describe import plain
from arawn.config.schema import Config
from arawn.config.search import read_config, with_profiles
from arawn.errors import BadInput
from arawn.interactions.reader import LogReader
from arawn.messages import CompletionRequest, user
from arawn.routing.conditions import Clause
from arawn.routing.explain import Explanation
from arawn.routing.logged import logged_request, said_of_profile
from arawn.routing.router import Router

__all__ = ["explain", "route"]

_PLACES = {
    "explain": ("arawn.cli.route:explain", "Say which profile a request would go to, and why."),
    "replay": ("arawn.cli.route_replay:replay", "Run another configuration over the log, without calling a model."),
    "evaluate": ("arawn.cli.route_train:evaluate", "Measure a classifier on judged calls, by cross-validation."),
    "train": ("arawn.cli.route_train:train", "Write a classifier, if it is better than the rules."),
}
_SIGNS = {"gt": ">", "lt": "<"}


@click.group(cls=LazyGroup, places=_PLACES)
def route() -> None:
    """Explain, try out and train the choice of profiles."""


class _Subject(msgspec.Struct, frozen=True):
    """What is to be explained; `recorded` is what was decided when it was a call."""

    request: CompletionRequest
    hint: str | None = None
    bound: str | None = None
    recorded: str | None = None


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "--file",
    "body",
    type=click.File("rb"),
    help="A request body in JSON, as for `/chat` or any dialect under `/v1`; - reads stdin.",
)
@click.option("--interaction", metavar="ID", help="A call of the log, with the hint or binding that it had; or latest.")
@click.option("-p", "--profile", metavar="NAME", help="As if the call had named this profile.")
@json_option
@config_option
def explain(
    *,
    prompt: str | None,
    body: Any,
    interaction: str | None,
    profile: str | None,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Say which profile a request would go to, and why: every rule, its verdict, and the value that decided it.

    The request is PROMPT, a file, or a logged call. Nothing is sent to a model; a classifier asks for one embedding.
    """
    if sum(each is not None for each in (prompt, body, interaction)) != 1:
        raise click.UsageError("give one of PROMPT, `--file` and `--interaction`")
    if prompt == "":
        raise click.UsageError("PROMPT is empty, and `/chat` refuses an empty message; give the text of a request")
    read = None if body is None else body.read()
    explanation = run_async(partial(_explain, prompt, read, interaction, profile, config_file))
    if as_json:
        print_json(explanation)
    else:
        _show(explanation)


async def _explain(
    prompt: str | None,
    body: bytes | None,
    interaction: str | None,
    profile: str | None,
    config_file: Path | None,
) -> Explanation:
    loaded = await read_config(config_file, environ=os.environ, cwd=Path.cwd())
    config = (await with_profiles(loaded, os.environ)).config
    if interaction is not None:
        subject = _under_profiles(_of_call(interaction, config_file), profile, config)
    elif body is not None:
        subject = _of_body(body, profile, config)
    else:
        subject = _Subject(CompletionRequest(messages=(user(prompt or ""),)))
    hint = profile or subject.hint
    async with aclosing(Router(config, config.profiles, os.environ)) as router:
        await router.start()
        explanation = await router.explain(subject.request, hint=hint, bound=subject.bound)
    return msgspec.structs.replace(explanation, recorded=subject.recorded)


def _of_call(interaction: str, config_file: Path | None) -> _Subject:
    record = LogReader(required_log(config_file), on_damage=warn).named(interaction).record()
    request = logged_request(record)
    if request is None:
        raise BadInput(f"the log does not hold the messages of `{record.id}`; `include_messages` was off")
    hint, bound = said_of_profile(record)
    recorded = record.profile if record.routing is None else f"{record.profile}, {record.routing.reason}"
    return _Subject(request, hint, bound, recorded)


def _under_profiles(call: _Subject, profile: str | None, config: Config) -> _Subject:
    """Return a logged call without a hint or a binding to a profile that is gone, which is said."""
    wanted = call.hint or call.bound
    if profile is not None or wanted is None or wanted in config.profiles:
        return call
    had = "asked for" if call.hint else "had a workstream bound to"
    warn_of(f"the call {had} the profile `{wanted}`, which is no longer configured; it is explained without that")
    return msgspec.structs.replace(call, hint=None, bound=None)


def _of_body(body: bytes, profile: str | None, config: Config) -> _Subject:
    from arawn.server.reply import ErrorBody, Refused
    from arawn.server.routing import asked

    try:
        read = asked(body, profile, config)
    except Refused as refused:
        message = msgspec.json.decode(refused.reply.body, type=ErrorBody).error.message
        raise BadInput(f"the request of the file cannot be made: {message}") from refused
    if read.chat is not None and read.chat.workstream is not None:
        tools = ", nor are its tools" if read.chat.tools else ""
        note(
            f"what `{read.chat.workstream}` is bound to and holds is not looked up{tools}; "
            "`POST /routing/explain` does that"
        )
    return _Subject(read.request, read.hint)


def _show(explanation: Explanation) -> None:
    say(f"profile     {explanation.profile}")
    say(f"reason      {on_one_line(explanation.reason)}")
    say(f"confidence  {explanation.confidence:.2f}")
    if explanation.recorded is not None:
        say(f"recorded    {on_one_line(explanation.recorded)}")
    if not explanation.enabled:
        say("routing     off; `routing.enabled = true` turns it on")
    say()
    rows = [(name, _text(value)) for name, value in msgspec.structs.asdict(explanation.features).items()]
    print_table(("feature", "value"), rows)
    if explanation.rules:
        say()
        verdicts = [
            (rule.name, rule.profile, rule.verdict, "; ".join(map(_clause, rule.decided_by)))
            for rule in explanation.rules
        ]
        print_table(("rule", "profile", "verdict", "decided by"), verdicts)


def _clause(clause: Clause) -> str:
    name, _, end = clause.key.rpartition("_")
    sign = _SIGNS.get(end)
    value = f'"{on_one_line(clause.wanted)}"' if isinstance(clause.wanted, str) else plain(clause.wanted)
    return f"{f'{name} {sign}' if sign else f'{clause.key} ='} {value}, found {_text(clause.found)}"


def _text(value: Any) -> str:
    """Return a feature for people: a text as it was found, of several each, and `none` for none of them."""
    if isinstance(value, tuple):
        return ", ".join(map(_text, value)) or "none"
    return on_one_line(value) if isinstance(value, str) else plain(value)
