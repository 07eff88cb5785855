"""Which formats there are, and what is dropped from each. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from arawn.errors import BadInput
from arawn.interactions.record import InteractionHead

__all__ = [
    "CHOICES",
    "CONVERSATION_FORMATS",
    "FORMATS",
    "UNANSWERED",
    "Choice",
    "Format",
    "Reason",
    "chosen_drops",
    "unwanted",
]

Format = Literal["parquet", "jsonl", "openai-chat", "trl", "sharegpt", "router"]
Choice = Literal["error", "cancelled", "partial", "cut_answer", "truncated", "redacted", "no_tools"]
Reason = (
    Choice
    | Literal[
        "damaged",
        "image",
        "invalid_arguments",
        "malformed",
        "no_answer",
        "no_question",
        "not_logged",
        "not_routed",
        "unfinished",
        "unpaired_tools",
    ]
)

FORMATS: tuple[Format, ...] = get_args(Format)
CONVERSATION_FORMATS: frozenset[Format] = frozenset(("openai-chat", "trl", "sharegpt"))
CHOICES: tuple[Choice, ...] = get_args(Choice)

UNANSWERED: frozenset[Choice] = frozenset(("error", "cancelled", "partial"))
_NOT_FOR_TRAINING: frozenset[Choice] = UNANSWERED | {"cut_answer", "truncated", "redacted"}


def chosen_drops(
    export_format: Format, *, keep: Collection[Choice] = (), drop: Collection[Choice] = ()
) -> frozenset[Choice]:
    """Return what is dropped: the format's default, less `keep`, and `drop`.

    Conversations are for training: without a choice those are dropped that failed, that were cut, and in which
    something was truncated or redacted. Of the other formats nothing is.

    Raises:
        BadInput: A reason is in both; or a call without an answer is to be kept as a conversation.
    """
    both = sorted(set(keep) & set(drop))
    if both:
        raise BadInput(f"`{both[0]}` cannot be both kept and dropped; give it to `--keep` or to `--drop`")
    if export_format not in CONVERSATION_FORMATS:
        return frozenset(drop)
    unanswered = sorted(UNANSWERED & set(keep))
    if unanswered:
        raise BadInput(
            f"`--keep {unanswered[0]}` cannot go with `--format {export_format}`: such a call has no whole answer to "
            "train on; `jsonl`, `parquet` and `router` have them"
        )
    return (_NOT_FOR_TRAINING - set(keep)) | set(drop)


def unwanted(head: InteractionHead, drop: Collection[Choice], *, has_tool_use: bool) -> Choice | None:
    """Return the first reason of `drop` that holds for a call, in the order of `CHOICES`.

    Args:
        head: The call.
        drop: The reasons that count.
        has_tool_use: Whether a tool was called, in this call or, for a conversation, anywhere in it.
    """
    holds = {
        head.status: True,  # one that is no reason is not asked for
        "cut_answer": head.stop_reason == "max_tokens",
        "truncated": bool(head.truncated),
        "redacted": bool(head.redactions),
        "no_tools": not has_tool_use,
    }
    return next((reason for reason in CHOICES if reason in drop and holds.get(reason)), None)
