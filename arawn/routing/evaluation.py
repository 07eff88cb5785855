"""How good a classifier is on requests it has not seen, and whether it is better than what decides now. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from arawn.routing.prototypes import likeness, prototypes_of

__all__ = ["FOLDS", "CannotTrain", "Evaluation", "Labelled", "ProfileScore", "evaluated", "sign_test", "wilson"]

FOLDS = 5
SIGNIFICANCE = 0.05  # training writes only what is better at 95 % confidence
_Z = 1.959963984540054  # the 97.5 % point of the normal distribution: a 95 % interval has two ends


class Labelled(msgspec.Struct, frozen=True):
    """One request as training sees it.

    Attributes:
        vector: Its embedding.
        profile: The profile that should take it.
        now: The profile that it gets without the classifier.
    """

    vector: Sequence[float]
    profile: str
    now: str


class ProfileScore(msgspec.Struct, frozen=True):
    """The requests that belong to one profile, and how many of them each way got right."""

    profile: str
    requests: int
    right: int
    right_now: int


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Cross-validated: every request was decided by a classifier that was trained without it.

    Attributes:
        requests, folds: How much there was, and in how many parts.
        accuracy, low, high: The share decided rightly by classifier and rules together, and its 95 % interval (Wilson).
        accuracy_now: The share that the rules and the default decide rightly without it.
        decided: The share that the classifier was sure enough of.
        gained, lost: Requests that only the classifier, and that only the rules decide rightly.
        p_value: How likely so many gains among `gained + lost` are if the classifier were no better: the one-sided
            exact sign test of McNemar.
        better: Whether that is at most 0.05.
        profiles: The same by profile.
    """

    requests: int
    folds: int
    accuracy: float
    low: float
    high: float
    accuracy_now: float
    decided: float
    gained: int
    lost: int
    p_value: float
    better: bool
    profiles: tuple[ProfileScore, ...]


class CannotTrain(ValueError):
    """There is too little to learn from; the message says what is missing."""


def evaluated(examples: Sequence[Labelled], *, threshold: float) -> Evaluation:
    """Return how the classifier does on `examples`, each left out of its own training.

    Args:
        examples: In an order that does not depend on the labels.
        threshold: The least confidence that counts; below it the rules decide, as they would in service.

    Raises:
        CannotTrain: There are fewer than two profiles, or fewer than two requests of one.
    """
    parts = _folds(examples)
    verdicts: list[tuple[Labelled, str, bool]] = []
    for number, part in enumerate(parts):
        seen = [example for other, each in enumerate(parts) if other != number for example in each]
        prototypes = prototypes_of(by_profile(seen), model=None)
        for example in part:
            nearest = likeness(prototypes, example.vector)
            sure = nearest is not None and nearest.confidence >= threshold
            verdicts.append((example, nearest.profile if nearest is not None and sure else example.now, sure))
    return _summed(verdicts, len(parts))


def by_profile(examples: Sequence[Labelled]) -> Mapping[str, list[Sequence[float]]]:
    """Return the vectors of each profile."""
    vectors: dict[str, list[Sequence[float]]] = {}
    for example in examples:
        vectors.setdefault(example.profile, []).append(example.vector)
    return vectors


def _folds(examples: Sequence[Labelled]) -> list[list[Labelled]]:
    """Deal the requests of each profile out in turn, so that every part has its share of each."""
    counts = {profile: len(vectors) for profile, vectors in by_profile(examples).items()}
    if len(counts) < 2:
        raise CannotTrain(f"the judged calls belong to {len(counts)} profiles; at least two are needed")
    fewest = min(counts, key=lambda profile: counts[profile])
    if counts[fewest] < 2:
        raise CannotTrain(f"profile `{fewest}` has {counts[fewest]} judged call; each needs at least two")
    folds = min(FOLDS, counts[fewest])
    parts: list[list[Labelled]] = [[] for _ in range(folds)]
    dealt = dict.fromkeys(counts, 0)
    for example in examples:
        parts[dealt[example.profile] % folds].append(example)
        dealt[example.profile] += 1
    return parts


def _summed(verdicts: Sequence[tuple[Labelled, str, bool]], folds: int) -> Evaluation:
    total = len(verdicts)
    right = sum(said == example.profile for example, said, _ in verdicts)
    right_now = sum(example.now == example.profile for example, _, _ in verdicts)
    gained = sum(said == example.profile != example.now for example, said, _ in verdicts)
    lost = sum(example.now == example.profile != said for example, said, _ in verdicts)
    low, high = wilson(right, total)
    p_value = sign_test(gained, lost)
    return Evaluation(
        requests=total,
        folds=folds,
        accuracy=right / total,
        low=low,
        high=high,
        accuracy_now=right_now / total,
        decided=sum(sure for _, _, sure in verdicts) / total,
        gained=gained,
        lost=lost,
        p_value=p_value,
        better=p_value <= SIGNIFICANCE,
        profiles=tuple(_score(name, verdicts) for name in sorted({example.profile for example, _, _ in verdicts})),
    )


def _score(profile: str, verdicts: Sequence[tuple[Labelled, str, bool]]) -> ProfileScore:
    own = [(example, said) for example, said, _ in verdicts if example.profile == profile]
    return ProfileScore(
        profile,
        len(own),
        sum(said == profile for _, said in own),
        sum(example.now == profile for example, _ in own),
    )


def sign_test(gained: int, lost: int) -> float:
    """Return the chance of at least `gained` heads in `gained + lost` throws of a fair coin."""
    throws = gained + lost
    return sum(math.comb(throws, heads) for heads in range(gained, throws + 1)) / (1 << throws)


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson's), for `total` of at least 1."""
    share, spread = right / total, _Z * _Z / total
    middle = share + spread / 2
    reach = _Z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))
