"""`arawn chat`: a conversation that is still there after a restart."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from actors import ActorError
from arawn.cli.answering import Wanted, open_answerer
from arawn.cli.failures import explained
from arawn.cli.interrupts import Interrupts, run_async
from arawn.cli.log_output import silence
from arawn.cli.options import config_option, quiet_option
from arawn.cli.output import AnswerPrinter, note
from arawn.cli.prompt import LineSource, open_lines
from arawn.cli.question import Answerer, Question
from arawn.cli.summary import reason_words, tokens_words
from arawn.errors import ArawnError
from arawn.messages import CompletionResponse
from arawn.routing.policy import require_profile
from arawn.workstreams.store import require_name

__all__ = ["chat"]

_HELP = """\
/profile NAME  bind this conversation to a profile, from now on
/help          show this
/exit          leave; so does Ctrl-D. Ctrl-C cancels the answer being given"""


@click.command()
@click.option("-w", "--workstream", default="scratch", show_default=True, metavar="NAME", help="The conversation.")
@click.option(
    "-p", "--profile", metavar="NAME", help="Use this profile for now, whatever the conversation is bound to."
)
@quiet_option
@config_option
def chat(workstream: str, profile: str | None, quiet: bool, config_file: Path | None) -> None:
    """Hold a conversation that survives restarts.

    Every line is a message; piped in, each line is one too, and the first that fails ends it.
    """
    require_name(workstream)
    wanted = Wanted(config_file=config_file, profile=profile, conversation=True, told=not quiet)
    silence()
    with open_lines() as lines:
        run_async(partial(_chat, Talk(workstream, profile, lines, told=not quiet), wanted))


async def _chat(talk: Talk, wanted: Wanted, interrupts: Interrupts) -> None:
    async with open_answerer(wanted) as answerer:
        if wanted.profile is not None:
            require_profile(wanted.profile, answerer.profiles)
        await talk.run(answerer, interrupts)


class Talk:
    """One sitting of a conversation: reads lines, has them answered, until one says that it is over."""

    def __init__(self, workstream: str, profile: str | None, lines: LineSource, *, told: bool) -> None:
        self._workstream = workstream
        self._profile = profile
        self._lines = lines
        self._told = told

    async def run(self, answerer: Answerer, interrupts: Interrupts) -> None:
        """Talk to the end.

        Raises:
            ArawnError, ActorError: A line that was piped in failed. A person is told, and goes on.

        Checkpoint: always.
        If cancelled: the answer under way is cancelled, and recorded as such.
        """
        if self._lines.interactive and self._told:
            if answerer.why is not None:
                note(answerer.why)
            note(f"conversation `{self._workstream}`; /help shows what can be done besides talking")
        while (line := await self._lines.next_line("> ")) is not None:
            line = line.strip()
            if line == "/exit":
                return
            try:
                await self._take(line, answerer, interrupts)
            except (ArawnError, ActorError) as error:
                if not self._lines.interactive:
                    raise
                note("\n".join(explained(error).lines))
        if self._lines.interactive:
            note("")  # after Ctrl-D the shell's prompt begins a line of its own

    async def _take(self, line: str, answerer: Answerer, interrupts: Interrupts) -> None:
        if line == "/help":
            note(_HELP)
        elif line.startswith("/"):
            await self._command(line, answerer)
        elif line:
            await self._say(line, answerer, interrupts)

    async def _command(self, line: str, answerer: Answerer) -> None:
        name, _, profile = line.partition(" ")
        if name != "/profile" or not profile.strip():
            note(f"`{line}` is no command here\n{_HELP}")
            return
        await answerer.bind(self._workstream, require_profile(profile.strip(), answerer.profiles))
        self._profile = None
        note(f"`{self._workstream}` is bound to `{profile.strip()}`")

    async def _say(self, text: str, answerer: Answerer, interrupts: Interrupts) -> None:
        question = Question(text=text, workstream=self._workstream, profile=self._profile)
        response: CompletionResponse | None = None
        with AnswerPrinter() as printer, interrupts.catching() as scope:
            response = await answerer.ask(question, printer.emit)
        if scope.cancelled_caught or response is None:
            note("cancelled; the conversation is as it was before")
        elif self._told:
            tokens = tokens_words(response.usage.total_input_tokens, response.usage.output_tokens)
            why = reason_words(response.routing, self._workstream)
            note(f"[{response.profile}: {why}; {response.model}; {tokens}; {response.interaction_id or 'not logged'}]")
