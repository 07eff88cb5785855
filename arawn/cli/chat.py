"""`arawn chat`: a conversation that is still there after a restart."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from actors import ActorError
from arawn.agent.events import TurnReply
from arawn.cli.answering import Answerer, Wanted, open_answerer
from arawn.cli.failures import explained
from arawn.cli.interrupts import Interrupts, run_async
from arawn.cli.log_output import silence
from arawn.cli.options import config_option
from arawn.cli.output import note, warn_of
from arawn.cli.prompt import LineSource, open_lines
from arawn.cli.streams import complain
from arawn.cli.summary import reason_words, tokens_words
from arawn.cli.turn_notes import AnswerPrinter, answered, note_cut
from arawn.errors import ArawnError, BadInput
from arawn.messages import CompletionResponse
from arawn.routing.policy import require_profile
from arawn.server.native import ChatRequest
from arawn.workstreams.store import require_name

__all__ = ["chat"]

_AS_BEFORE = "the conversation is as it was before"
_KEPT = "what was said and done by tools until then stays in the conversation"
_HELP = """\
/profile NAME  bind this conversation to a profile, from now on
/help          show this
/exit          leave; so does Ctrl-D. Ctrl-C cancels the answer being given"""


@click.command()
@click.option("-w", "--workstream", default="scratch", show_default=True, metavar="NAME", help="The conversation.")
@click.option(
    "-p", "--profile", metavar="NAME", help="Use this profile for now, whatever the conversation is bound to."
)
@click.option(
    "--tools", multiple=True, metavar="NAME", help="Let the model use `[tools.NAME]`; may be given repeatedly."
)
@config_option
def chat(workstream: str, profile: str | None, tools: tuple[str, ...], config_file: Path | None) -> None:
    """Hold a conversation that survives restarts.

    Every line is a message; piped in, each line is one too, and the first that fails ends it. Without a running daemon
    the profile that answers is started, and another when `/profile` binds to it; all of them if rules choose.
    """
    require_name(workstream)
    wanted = Wanted(config_file=config_file, profile=profile, workstream=workstream)
    silence()
    with open_lines() as lines:
        interrupts = Interrupts()
        run_async(partial(_chat, Talk(workstream, wanted, lines, tools, interrupts), wanted), interrupts)


async def _chat(talk: Talk, wanted: Wanted) -> None:
    async with open_answerer(wanted) as answerer:
        if wanted.profile is not None:
            require_profile(wanted.profile, answerer.profiles)
        await talk.run(answerer)


class Talk:
    """One sitting of a conversation: reads lines, has them answered, until one says that it is over."""

    def __init__(
        self, workstream: str, wanted: Wanted, lines: LineSource, tools: tuple[str, ...], interrupts: Interrupts
    ) -> None:
        self._workstream = workstream
        self._profile = wanted.profile
        self._lines = lines
        self._tools = tools
        self._interrupts = interrupts
        self._log_fault: str | None = None  # as it was told last

    async def run(self, answerer: Answerer) -> None:
        """Talk to the end.

        Raises:
            ArawnError, ActorError: A line that was piped in failed. A person is told, and goes on.

        Checkpoint: always.
        If cancelled: the answer under way is cancelled, and recorded as such.
        """
        if self._lines.interactive:
            if answerer.why is not None:
                note(answerer.why)
            note(f"conversation `{self._workstream}`; /help shows what can be done besides talking")
        while (line := await self._next_line()) is not None:
            line = line.strip()
            if line == "/exit":
                return
            try:
                await self._take(line, answerer)
            except (ArawnError, ActorError) as error:
                self._tell(error)
        if self._lines.interactive:
            warn_of("")  # after Ctrl-D the shell's prompt begins a line of its own

    async def _next_line(self) -> str | None:
        while True:
            try:
                return await self._lines.next_line("> ")
            except BadInput as error:
                self._tell(error)

    def _tell(self, error: ArawnError | ActorError) -> None:
        """Tell a person; of what was piped in the error is the end."""
        if not self._lines.interactive:
            raise error
        for text in explained(error).lines:
            complain(text)

    async def _take(self, line: str, answerer: Answerer) -> None:
        if line == "/help":
            _help()
        elif line.startswith("/"):
            await self._command(line, answerer)
        elif line:
            await self._say(line, answerer)

    async def _command(self, line: str, answerer: Answerer) -> None:
        name, _, profile = line.partition(" ")
        if name != "/profile" or not profile.strip():
            warn_of(f"`{line}` is no command here")
            _help()
            return
        await answerer.bind(self._workstream, require_profile(profile.strip(), answerer.profiles))
        self._profile = None
        warn_of(f"`{self._workstream}` is bound to `{profile.strip()}`")

    async def _say(self, text: str, answerer: Answerer) -> None:
        question = ChatRequest(text, self._workstream, routing_profile=self._profile, tools=self._tools)
        response: CompletionResponse | None = None
        with AnswerPrinter() as printer, self._interrupts.catching() as scope:
            response = await answered(answerer.ask, question, printer.emit)
        if scope.cancelled_caught or response is None:
            warn_of(f"cancelled; {_KEPT if self._tools else _AS_BEFORE}")
        else:
            usage = response.turn_usage if isinstance(response, TurnReply) else response.usage
            tokens = tokens_words(usage.total_input_tokens, usage.output_tokens)
            why = reason_words(response.routing, self._workstream)
            note(f"[{response.profile}: {why}; {response.model}; {tokens}; {response.interaction_id or 'not logged'}]")
            note_cut(response)
            await self._watch_log(answerer)

    async def _watch_log(self, answerer: Answerer) -> None:
        """Say what is wrong with the log, when it has become so."""
        fault = await answerer.log_fault()
        if fault not in {None, self._log_fault}:
            warn_of(fault)
        self._log_fault = fault


def _help() -> None:
    for line in _HELP.splitlines():
        warn_of(line)
