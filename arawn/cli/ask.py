"""`arawn ask`: one question, its answer as it comes, and a short account of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import msgspec
import trio

from arawn.agent.events import Emit, TurnReply
from arawn.cli import summary
from arawn.cli.answering import Wanted, open_answerer
from arawn.cli.interrupts import run_async
from arawn.cli.log_output import silence
from arawn.cli.options import config_option, json_option, tag_option, tags_of
from arawn.cli.output import note, print_json, warn_of
from arawn.cli.summary import Answered, newest_file
from arawn.cli.turn_notes import AnswerPrinter, answered, is_unanswered, keep_silent, note_cut
from arawn.cli.utf8 import from_utf8
from arawn.messages import CompletionResponse
from arawn.server.native import ChatRequest
from arawn.workstreams.store import require_name

__all__ = ["ask"]


@click.command()
@click.argument("prompt", nargs=-1)
@click.option("-p", "--profile", metavar="NAME", help="Use this profile.")
@click.option("-w", "--workstream", metavar="NAME", help="Ask in this conversation, and keep the answer in it.")
@click.option("-s", "--system", metavar="TEXT", help="A system prompt for this question.")
@click.option("--session", metavar="ID", help="A session id for the record.")
@click.option(
    "--tools",
    multiple=True,
    metavar="NAME",
    help="Let the model use `[tools.NAME]`; may be given repeatedly, with -w.",
)
@tag_option
@click.option("--no-log", is_flag=True, help="Leave no record; not with a running daemon.")
@json_option
@config_option
def ask(
    prompt: tuple[str, ...],
    *,
    profile: str | None,
    workstream: str | None,
    system: str | None,
    session: str | None,
    tools: tuple[str, ...],
    tags: tuple[str, ...],
    no_log: bool,
    as_json: bool,
    config_file: Path | None,
) -> int:
    """Ask one question and print the answer as it comes.

    What is piped in is appended to PROMPT. The running daemon answers when there is one, else this process does.
    Afterwards stderr says which profile answered and why, what it cost, and where its record is. If the turn ends at
    its limit of calls to the model, and the last of them said nothing, stderr says so and the exit code is 1.
    """
    if tools and workstream is None:
        raise click.UsageError("`--tools` needs a conversation; name one with `--workstream`, which need not exist yet")
    question = ChatRequest(
        message=_text(prompt),
        workstream=None if workstream is None else require_name(workstream),
        session_id=session,
        routing_profile=profile,
        system=system,
        tags=tags_of(tags),
        tools=tools,
    )
    wanted = Wanted(config_file=config_file, profile=profile, workstream=question.workstream, logged=not no_log)
    silence()
    response = (_as_json if as_json else _as_text)(question, wanted)
    unanswered = is_unanswered(response)
    if unanswered or not as_json:
        note_cut(response, warn_of if unanswered else note)  # whoever sees the exit code is told why
    return 1 if unanswered else 0


def _as_json(question: ChatRequest, wanted: Wanted) -> CompletionResponse:
    answer = run_async(partial(_ask, question, wanted, emit=keep_silent))
    print_json(summary.as_json(answer))
    _tell_fault(answer)
    return answer.response


def _as_text(question: ChatRequest, wanted: Wanted) -> CompletionResponse:
    with AnswerPrinter() as printer:
        answer = run_async(partial(_ask, question, wanted, emit=printer.emit))
    for line in [*_emptiness(answer.response), "", *summary.block(answer)]:
        note(line)
    _tell_fault(answer)
    return answer.response


def _tell_fault(answer: Answered) -> None:
    if answer.log_fault is not None:
        warn_of(answer.log_fault)


def _emptiness(response: CompletionResponse) -> Iterator[str]:
    """Yield what to say of an answer that prints nothing."""
    if not response.text.strip():
        kinds = sorted({str(block.__struct_config__.tag) for block in response.content} - {"text"})
        held = f"; it holds {', '.join(f'`{kind}`' for kind in kinds)}" if kinds else ""
        reason = f"stop reason `{response.stop_reason}`" if response.stop_reason else "no stop reason"
        yield f"the answer has no text ({reason}{held})"


def _text(prompt: tuple[str, ...]) -> str:
    """Return what is asked: the words of the command line, then what is piped in.

    Raises:
        BadInput: What is piped in is not UTF-8.
    """
    piped = "" if sys.stdin.isatty() else from_utf8(sys.stdin.buffer.read(), "what is piped in")
    text = "\n\n".join(part for part in (" ".join(prompt), piped.strip("\n")) if part.strip())
    if not text:
        raise click.UsageError("nothing is asked; give the question as an argument, or pipe it in")
    return text


async def _ask(question: ChatRequest, wanted: Wanted, *, emit: Emit) -> Answered:
    async with open_answerer(wanted) as answerer:
        began = trio.current_time()
        response = await answered(answerer.ask, question, emit)
        if isinstance(response, TurnReply):
            response = msgspec.structs.replace(response, usage=response.turn_usage)  # what the question cost
        return Answered(
            workstream=question.workstream,
            response=response,
            seconds=trio.current_time() - began,
            why=answerer.why,
            log_file=newest_file(answerer.log_path),
            log_fault=await answerer.log_fault(),
        )
