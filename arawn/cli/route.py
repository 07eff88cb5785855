"""`arawn route`: which profile takes a call, why, and what another configuration would do."""

from __future__ import annotations

import click

from arawn.cli.group import LazyGroup

__all__ = ["route"]

_PLACES = {
    "explain": ("arawn.cli.route_explain:explain", "Say which profile a request would go to, and why."),
    "replay": ("arawn.cli.route_replay:replay", "Run another configuration over the log, without calling a model."),
    "evaluate": ("arawn.cli.route_train:evaluate", "Measure a classifier on judged calls, by cross-validation."),
    "train": ("arawn.cli.route_train:train", "Write a classifier, if it is better than the rules."),
}


@click.group(cls=LazyGroup, places=_PLACES)
def route() -> None:
    """Explain, try out and train the choice of profiles."""
