"""How good a classifier is on requests it has not seen, and whether it is better than what decides now. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from arawn.routing.prototypes import directions, likeness, prototypes_of

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
        group: Requests of one group depend on each other: they are learnt from together or not at all, and count once
            in the test. None: it stands alone.
    """

    vector: Sequence[float]
    profile: str
    now: str
    group: str | None = None


Verdict = tuple[Labelled, str, bool]  # a request, the profile that was chosen, and whether the classifier was sure


class ProfileScore(msgspec.Struct, frozen=True):
    """The requests that belong to one profile, and how many of them each way got right."""

    profile: str
    requests: int
    right: int
    right_now: int


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Cross-validated: every request was decided by a classifier that was trained without it.

    Attributes:
        requests, groups, folds: How much there was, in how many groups that do not depend on each other, and in how
            many parts.
        accuracy, low, high: The share decided rightly by classifier and rules together, and its 95 % interval (Wilson).
        accuracy_now: The share that the rules and the default decide rightly without it.
        most: The profile that most of the requests belong to.
        decided: The share that the classifier was sure enough of.
        gained, lost: Groups in which the classifier decides more, and in which it decides fewer rightly than the rules.
        p_value: How likely so many gains among `gained + lost` are if the classifier were no better: the one-sided
            exact sign test (of single requests: McNemar's).
        p_value_most: The same against always answering `most`.
        better: Whether both are at most 0.05, and the rules decide at least one request rightly.
        why_not: What is wrong if it is not better.
        profiles: The same by profile.
    """

    requests: int
    groups: int
    folds: int
    accuracy: float
    low: float
    high: float
    accuracy_now: float
    most: str
    decided: float
    gained: int
    lost: int
    p_value: float
    p_value_most: float
    better: bool
    why_not: str | None
    profiles: tuple[ProfileScore, ...]


class CannotTrain(ValueError):
    """There is too little to learn from; the message says what is missing."""


def evaluated(examples: Sequence[Labelled], *, threshold: float) -> Evaluation:
    """Return how the classifier does on `examples`, each left out of its own training.

    Args:
        examples: In an order that does not depend on the labels.
        threshold: The least confidence that counts; below it the rules decide, as they would in service.

    Raises:
        CannotTrain: There are fewer than two profiles, or fewer than two groups with one of them.
    """
    parts = _folds(examples)
    verdicts: list[Verdict] = []
    for number, part in enumerate(parts):
        seen = [example for other, each in enumerate(parts) if other != number for example in each]
        learnt = directions(prototypes_of(by_profile(seen), model=None))
        for example in part:
            nearest = likeness(learnt, example.vector)
            sure = nearest is not None and nearest.confidence >= threshold
            verdicts.append((example, nearest.profile if nearest is not None and sure else example.now, sure))
    return _summed(verdicts, len(parts))


def by_profile(examples: Sequence[Labelled]) -> Mapping[str, list[Sequence[float]]]:
    """Return the vectors of each profile."""
    vectors: dict[str, list[Sequence[float]]] = {}
    for example in examples:
        vectors.setdefault(example.profile, []).append(example.vector)
    return vectors


def _grouped(examples: Sequence[Labelled]) -> list[list[Labelled]]:
    """Return the requests by group; one without a group is a group of its own."""
    groups: dict[object, list[Labelled]] = {}
    for number, example in enumerate(examples):
        groups.setdefault(number if example.group is None else example.group, []).append(example)
    return list(groups.values())


def _folds(examples: Sequence[Labelled]) -> list[list[Labelled]]:
    """Deal the groups out in turn, by the profile of their first request: every part has its share of each."""
    groups = _grouped(examples)
    counts = Counter(profile for group in groups for profile in {example.profile for example in group})
    if len(counts) < 2:
        raise CannotTrain(f"the judged calls belong to {len(counts)} profiles; at least two are needed")
    fewest = min(counts, key=lambda profile: counts[profile])
    if counts[fewest] < 2:
        raise CannotTrain(f"profile `{fewest}` has judged calls of {counts[fewest]} conversation; each needs two")
    folds = min(FOLDS, counts[fewest])
    parts: list[list[Labelled]] = [[] for _ in range(folds)]
    for number, group in enumerate(sorted(groups, key=lambda group: group[0].profile)):
        parts[number % folds] += group
    return parts


def _summed(verdicts: Sequence[Verdict], folds: int) -> Evaluation:
    total = len(verdicts)
    right = sum(said == example.profile for example, said, _ in verdicts)
    right_now = sum(example.now == example.profile for example, _, _ in verdicts)
    ((most, _),) = Counter(example.profile for example, _, _ in verdicts).most_common(1)
    gained, lost = _balance(verdicts, lambda example: example.now)
    p_value, p_most = sign_test(gained, lost), sign_test(*_balance(verdicts, lambda _: most))
    why_not = _why_not(right_now, p_value, p_most, most)
    low, high = wilson(right, total)
    return Evaluation(
        requests=total,
        groups=len(_grouped([example for example, _, _ in verdicts])),
        folds=folds,
        accuracy=right / total,
        low=low,
        high=high,
        accuracy_now=right_now / total,
        most=most,
        decided=sum(sure for _, _, sure in verdicts) / total,
        gained=gained,
        lost=lost,
        p_value=p_value,
        p_value_most=p_most,
        better=why_not is None,
        why_not=why_not,
        profiles=tuple(_score(name, verdicts) for name in sorted({example.profile for example, _, _ in verdicts})),
    )


def _balance(verdicts: Sequence[Verdict], other: Callable[[Labelled], str]) -> tuple[int, int]:
    """Return the groups in which the verdicts are right more often, and less often, than what `other` says."""
    groups: Counter[object] = Counter()
    for number, (example, said, _) in enumerate(verdicts):
        key = number if example.group is None else example.group
        groups[key] += (said == example.profile) - (other(example) == example.profile)
    return sum(gain > 0 for gain in groups.values()), sum(gain < 0 for gain in groups.values())


def _why_not(right_now: int, p_value: float, p_most: float, most: str) -> str | None:
    """Return what speaks against the classifier; None if nothing does."""
    if not right_now:
        return "the rules decide none of the judged calls rightly; judge calls that went right too, as they come"
    if p_value > SIGNIFICANCE:
        return f"the classifier is not better than the rules (p = {p_value:.3f} > {SIGNIFICANCE})"
    if p_most > SIGNIFICANCE:
        return f"the classifier is not better than `{most}` for every call (p = {p_most:.3f} > {SIGNIFICANCE})"
    return None


def _score(profile: str, verdicts: Sequence[Verdict]) -> ProfileScore:
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
