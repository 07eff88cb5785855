"""From what a person or a program says of one call to its line in the log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.errors import BadInput
from arawn.interactions.opening import open_day_log
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine, timestamp_text
from arawn.interactions.redact import redact
from arawn.interactions.secret_set import SecretSet

__all__ = ["Judgement", "append_feedback", "feedback_line", "judgement_line"]


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is said of a call: a label such as `good`, a number if it has one, a note in words."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    value: float | None = None
    note: Annotated[str, msgspec.Meta(max_length=65_536)] | None = None


def feedback_line(
    directory: Path,
    interaction: str,
    judgement: Judgement,
    *,
    at: datetime,
    config: InteractionLogConfig,
    secrets: SecretSet | Iterable[str] = (),
) -> FeedbackLine:
    """Return the line for the call whose id is, or alone begins with, `interaction`. Reads the log to find it.

    Args:
        directory: The log directory.
        interaction: The id, or the beginning of it that no other has.
        judgement: What is said; keys in it are redacted as `config` says.
        at: When it was said, with a time zone.
        config: The log's configuration.
        secrets: Texts that are redacted as well, if anything is.

    Raises:
        BadInput: There is no such call, or several; or the judgement is none that a line can hold.
        OSError: The log cannot be read.
    """
    _require_judgement(judgement)
    if not isinstance(interaction, str):
        raise BadInput(f"a call is named by its id, a text, found {type(interaction).__name__}")
    found = LogReader(directory, on_damage=lambda _: None).find(interaction)  # damage elsewhere is no matter here
    return judgement_line(found.head.id, judgement, at=at, config=config, secrets=secrets)


def judgement_line(
    interaction_id: str,
    judgement: Judgement,
    *,
    at: datetime,
    config: InteractionLogConfig,
    secrets: SecretSet | Iterable[str] = (),
) -> FeedbackLine:
    """Return the line for a call that is known to be there, by its whole id; arguments and errors as above."""
    _require_judgement(judgement)
    if config.redact_secrets:
        judgement, _ = redact(judgement, secrets)
    return FeedbackLine(
        interaction_id=interaction_id,
        label=judgement.label,
        value=None if judgement.value is None else float(judgement.value),
        note=judgement.note,
        timestamp=timestamp_text(at),
    )


def _require_judgement(judgement: Judgement) -> None:
    """Refuse what no line can hold.

    Raises:
        BadInput: It is no judgement, a field does not fit, or the value is none that JSON has a word for.
    """
    if not isinstance(judgement, Judgement):
        found = type(judgement).__name__
        raise BadInput(f'a judgement is an `arawn.Judgement`, found {found}; `arawn.Judgement("good")` makes one')
    try:
        msgspec.convert(msgspec.to_builtins(judgement), Judgement)
        msgspec.json.encode(judgement)
    except (msgspec.ValidationError, TypeError, UnicodeEncodeError, OverflowError) as error:
        raise BadInput(f"the judgement does not fit: {error}") from error
    if judgement.value is not None and not math.isfinite(judgement.value):
        raise BadInput(f"the value of a feedback must be a finite number, not {judgement.value}")


def append_feedback(directory: Path, lines: Sequence[FeedbackLine], config: InteractionLogConfig) -> None:
    """Write the lines with no daemon running: on the disk when this returns.

    Raises:
        LogWriteFailed: Somebody is writing there, or nothing can be written.
    """
    with closing(open_day_log(directory, config)) as log:
        log.append(lines)
