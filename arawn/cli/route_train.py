"""`arawn route train` and `evaluate`: a classifier from judged calls, and how good it is."""

from __future__ import annotations

import os
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.interrupts import run_async
from arawn.cli.log_filters import filter_options, filters_of
from arawn.cli.log_reading import ProgressLine, required_log
from arawn.cli.options import config_option, configured, json_option
from arawn.cli.output import note, print_json, print_table, say, warn_of
from arawn.config import default_profile
from arawn.config.paths import expanded
from arawn.config.schema import Config
from arawn.errors import BadInput
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.filters import Filters
from arawn.interactions.whole_file import write_whole
from arawn.routing.evaluation import CannotTrain, Evaluation, Labelled, by_profile, evaluated
from arawn.routing.layered import LayeredPolicy
from arawn.routing.policy import require_profile
from arawn.routing.prototypes import prototypes_of
from arawn.routing.training import Judged, embedded, judged_examples

__all__ = ["evaluate", "train"]

_embeddings_option = click.option(
    "--embeddings", metavar="PROFILE", help="Its `/v1/embeddings` is asked; otherwise `routing.classifier.embeddings`."
)
_limit_option = click.option(
    "-n", "--limit", default=5000, show_default=True, type=click.IntRange(min=4), help="The newest calls, at most this."
)


class _Learnt(msgspec.Struct, frozen=True):
    """What training has to work with, and how it did."""

    examples: list[Labelled]
    evaluation: Evaluation
    model: str | None


@click.command()
@_embeddings_option
@filter_options
@_limit_option
@json_option
@config_option
def evaluate(*, embeddings: str | None, limit: int, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Measure a classifier on judged calls, each decided by one that was trained without it.

    It is compared with the rules and the default of the configuration. A label that is the name of a profile says where
    the call belonged; `good` says that it was right; with two profiles, `bad` says that it belonged to the other. Other
    labels do not count. Calls of one workstream or session are learnt from together or not at all.
    """
    wanted = filters_of(options, limit=limit)
    learnt = run_async(partial(_learn, embeddings, wanted, config_file))
    if as_json:
        print_json(learnt.evaluation)
    else:
        _show(learnt.evaluation)


@click.command()
@_embeddings_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write; otherwise `routing.classifier.file`.",
)
@filter_options
@_limit_option
@json_option
@config_option
def train(
    *,
    embeddings: str | None,
    output: Path | None,
    limit: int,
    as_json: bool,
    config_file: Path | None,
    **options: Any,
) -> int:
    """Write a classifier, if `evaluate` finds it better than the rules at 95 % confidence; exit code 1 if not.

    It must also be better than the most frequent profile for every call. The test is the one-sided exact sign test on
    the conversations in which one of the two decides more calls rightly than the other.
    """
    wanted = filters_of(options, limit=limit)
    target = output or _configured_file(configured(config_file))
    _require_writable(target)
    learnt = run_async(partial(_learn, embeddings, wanted, config_file))
    score = learnt.evaluation
    if as_json:
        print_json(score)
    else:
        _show(score)
    if score.why_not is not None:
        warn_of(f"arawn: nothing is written: {score.why_not}")
        return 1
    trained = {name: float(getattr(score, name)) for name in ("requests", "accuracy", "accuracy_now", "p_value")}
    made = msgspec.structs.replace(prototypes_of(by_profile(learnt.examples), model=learnt.model), trained=trained)
    write_whole(Filesystem(), target, msgspec.json.encode(made))
    note(f"`{target}` is written")
    return 0


def _configured_file(config: Config) -> Path:
    if config.routing.classifier.file is None:
        raise BadInput("nothing says where to write; give `--output FILE`, or set `routing.classifier.file`")
    return expanded(config.routing.classifier.file, os.environ)


def _require_writable(target: Path) -> None:
    """Return if a file can be made there, before anything is sent for it.

    Raises:
        BadInput: It cannot.
    """
    if target.is_dir():
        raise BadInput(f"`{target}` is a directory; give the path of a file")
    if not target.parent.is_dir():
        raise BadInput(
            f"`{target}` cannot be written: `{target.parent}` is no directory; make it, or give another path"
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise BadInput(f"`{target}` cannot be written: permission denied at `{target.parent}`; give another path")


async def _learn(embeddings: str | None, wanted: Filters, config_file: Path | None) -> _Learnt:
    from arawn.routing.embeddings import OpenAIEmbeddings

    config = configured(config_file)
    name = embeddings or config.routing.classifier.embeddings
    if name is None:
        raise BadInput("no profile makes embeddings; give `--embeddings PROFILE`, or set it in `[routing.classifier]`")
    profile = config.profiles[require_profile(name, config.profiles)]
    known = [each for each in config.profiles if each != name]  # whose model makes embeddings answers no calls
    routing = msgspec.structs.replace(config.routing, enabled=True)  # the rules are what it has to beat, on or off
    rules = LayeredPolicy(routing, default=default_profile(config), known=config.profiles)
    with ProgressLine() as progress:
        judged = judged_examples(progress.reader(required_log(config_file)), wanted, rules, known)
    _say_unused(judged)
    async with aclosing(OpenAIEmbeddings(name, profile, os.environ)) as embedder:
        deadline = profile.timeouts.total_s
        examples = await embedded(judged.examples, embedder, name=name, deadline=deadline, told=_tell)
    try:
        return _Learnt(examples, evaluated(examples, threshold=config.routing.classifier.threshold), profile.model)
    except CannotTrain as error:
        raise BadInput(f"there is too little to learn from: {error}; `interactions feedback` judges a call") from error


def _say_unused(judged: Judged) -> None:
    """Say what does not count, and why."""
    for count, words in (
        (judged.other_labels, "judgements have a label that is neither `good`, `bad` nor a profile that answers calls"),
        (
            judged.unusable,
            "judged calls teach nothing: their text is not in the log, or the label leaves open where to",
        ),
        (judged.repeated, "judged calls have the text of a later one"),
        (judged.over, "judged calls are older than the newest that `--limit` allows"),
    ):
        if count:
            note(f"not counted: {count} {words}")


def _tell(done: int, total: int) -> None:
    if done == total or done % 512 == 0:
        note(f"{done} of {total} requests embedded")


def _show(score: Evaluation) -> None:
    print_table(
        ("profile", "requests", "right", "right now"),
        [(each.profile, str(each.requests), str(each.right), str(each.right_now)) for each in score.profiles],
    )
    say()
    say(f"accuracy    {score.accuracy:.1%} (95 % interval {score.low:.1%} to {score.high:.1%})")
    say(f"now         {score.accuracy_now:.1%}, by rules and default alone")
    say(f"decided     {score.decided:.1%} by the classifier, the others by the rules")
    say(f"sign test   {score.gained} gained, {score.lost} lost of {score.groups}, {_p(score.p_value)}")
    say(f"            against `{score.most}` for every call: {_p(score.p_value_most)}")
    if score.why_not is not None:
        say(f"worth it    no: {score.why_not}")


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.4f}"
