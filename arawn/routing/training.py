"""From the judged calls of a log to what a classifier is trained and measured with."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence

import trio

from arawn.errors import BadInput
from arawn.interactions.filters import Filters, matches
from arawn.interactions.heads import UNREADABLE, decode_line
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine, InteractionHead, InteractionRecord
from arawn.routing.embeddings import EmbeddingFailed, EmbeddingProvider
from arawn.routing.evaluation import Labelled
from arawn.routing.labels import Example, example_of
from arawn.routing.layered import LayeredPolicy

__all__ = ["embedded", "judged_examples"]

_BATCH = 16

Told = Callable[[int, int], None]


def judged_examples(reader: LogReader, wanted: Filters, rules: LayeredPolicy, known: Collection[str]) -> list[Example]:
    """Return what can be learnt of the judged calls, the oldest first, each text once.

    The last judgement of a call counts, and the last call with a text: the same request in training and in the test of
    it would measure memory. Reads the log twice; at most `wanted.limit` examples are kept, the newest.

    Raises:
        UnknownProfile: A rule, or the default, names none that is there.
        OSError: The log cannot be read.
    """
    judgements = {
        head.interaction_id: head
        for _, _, head in reader.lines(Filters(start=wanted.start))
        if isinstance(head, FeedbackLine)
    }
    found: dict[str, Example] = {}
    for _, (_, line), head in reader.lines(wanted):
        if not isinstance(head, InteractionHead) or head.id not in judgements or not matches(head, wanted):
            continue
        example = example_of(_record(line), judgements[head.id], rules, known)
        if example is not None:
            found.pop(example.text, None)
            found[example.text] = example
            if wanted.limit is not None and len(found) > wanted.limit:
                del found[next(iter(found))]
    return list(found.values())


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
    return [Labelled(vector, example.profile, example.now) for vector, example in zip(vectors, examples, strict=True)]
