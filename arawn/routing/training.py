"""From the judged calls of a log to what a classifier is trained and measured with."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence

import msgspec
import trio

from arawn.errors import BadInput
from arawn.interactions.filters import Filters, matches
from arawn.interactions.heads import UNREADABLE, decode_line
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine, InteractionHead, InteractionRecord
from arawn.routing.embeddings import EmbeddingFailed, EmbeddingProvider
from arawn.routing.evaluation import Labelled
from arawn.routing.labels import Example, example_of, names_a_profile
from arawn.routing.layered import LayeredPolicy

__all__ = ["Judged", "embedded", "judged_examples"]

_BATCH = 16

Told = Callable[[int, int], None]


class Judged(msgspec.Struct, frozen=True):
    """What the judgements of a log give.

    Attributes:
        examples: What can be learnt, the oldest first, each text once.
        other_labels: Judgements that are no word on the profile.
        unusable: Judged calls that teach nothing: their text is not in the log, or the label leaves the profile open.
        repeated: Judged calls with the text of a later one.
        over: Judged calls beyond the limit.
    """

    examples: list[Example]
    other_labels: int
    unusable: int
    repeated: int
    over: int


def judged_examples(reader: LogReader, wanted: Filters, rules: LayeredPolicy, known: Collection[str]) -> Judged:
    """Return what can be learnt of the judged calls.

    The last judgement of a call counts, and the last call with a text: the same request in training and in the test of
    it would measure memory. Reads the log twice; at most `wanted.limit` examples are kept, the newest.

    Raises:
        UnknownProfile: A rule, or the default, names none that is there.
        OSError: The log cannot be read.
    """
    judgements, other_labels = _judgements(reader, wanted, known)
    found: dict[str, Example] = {}
    unusable = repeated = over = 0
    for _, (_, line), head in reader.lines(wanted):
        if not isinstance(head, InteractionHead) or head.id not in judgements or not matches(head, wanted):
            continue
        example = example_of(_record(line), judgements[head.id], rules, known)
        if example is None:
            unusable += 1
            continue
        repeated += found.pop(example.text, None) is not None
        found[example.text] = example
        if wanted.limit is not None and len(found) > wanted.limit:
            del found[next(iter(found))]
            over += 1
    return Judged(list(found.values()), other_labels, unusable, repeated, over)


def _judgements(reader: LogReader, wanted: Filters, known: Collection[str]) -> tuple[dict[str, FeedbackLine], int]:
    """Return the last judgement of the profile by call, and how many judgements are of something else."""
    judgements: dict[str, FeedbackLine] = {}
    others = 0
    for _, _, head in reader.lines(Filters(start=wanted.start)):
        if isinstance(head, FeedbackLine):
            if names_a_profile(head.label, known):
                judgements[head.interaction_id] = head
            else:
                others += 1
    return judgements, others


def _record(line: bytes) -> InteractionRecord | None:
    """Return the whole record; None if its bodies are damaged, which `verify` tells of."""
    try:
        record = decode_line(line)
    except UNREADABLE:
        return None
    return record if isinstance(record, InteractionRecord) else None


async def embedded(
    examples: Sequence[Example], embedder: EmbeddingProvider, *, name: str, deadline: float, told: Told
) -> list[Labelled]:
    """Return the examples with their vectors, asked for in batches, one after another.

    Args:
        examples: What is to be embedded.
        embedder: Makes the vectors.
        name: What errors call it.
        deadline: Seconds for one batch.
        told: Called after each batch with how many are done, and of how many.

    Raises:
        BadInput: There are no examples.
        EmbeddingFailed: A batch failed, or took too long; nothing is kept.

    Checkpoint: always.
    If cancelled: the request under way is cancelled.
    """
    if not examples:
        raise BadInput("no judged call says which profile is right; `interactions feedback ID LABEL` judges one")
    vectors: list[array[float]] = []
    for start in range(0, len(examples), _BATCH):
        texts = [example.text for example in examples[start : start + _BATCH]]
        with trio.move_on_after(deadline) as waiting:
            vectors += [array("f", vector) for vector in await embedder.embed(texts)]
        if waiting.cancelled_caught:
            raise EmbeddingFailed(name, f"no answer within {deadline:g} s")
        told(len(vectors), len(examples))
    if len({len(vector) for vector in vectors}) != 1:
        raise EmbeddingFailed(name, "vectors of unequal lengths")
    return [
        Labelled(vector, example.profile, example.now, example.group)
        for vector, example in zip(vectors, examples, strict=True)
    ]
