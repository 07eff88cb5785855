"""What the classifier has learnt: one typical vector a profile, and how near a request comes to each. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul

import msgspec

__all__ = ["EMBEDDED_CHARACTERS", "Likeness", "Prototypes", "cosine", "likeness", "mean", "prototypes_of"]

EMBEDDED_CHARACTERS = 2_000  # of a message, from its beginning: small embedding models take about 512 tokens

Vector = Sequence[float]


class Prototypes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a classifier compares with; the file that `arawn route train` writes.

    Attributes:
        embeddings_model: The model that made the vectors; those of another cannot be compared with them.
        centre: The mean of all training vectors. Models put all texts into one corner of their space; seen from its
            middle, they differ.
        profiles: Profile -> the mean of its vectors, less the centre.
        trained: How the training went, for people.
    """

    v: int = 1
    embeddings_model: str | None
    centre: list[float]
    profiles: dict[str, list[float]]
    trained: dict[str, float] = {}


class Likeness(msgspec.Struct, frozen=True):
    """The profile whose requests are most like one request, and the cosine between them, within 0..1."""

    profile: str
    confidence: float


def prototypes_of(vectors: Mapping[str, Sequence[Vector]], *, model: str | None) -> Prototypes:
    """Return the prototypes of vectors by profile; each profile has at least one.

    The centre counts every profile alike, however many requests it had.
    """
    means = {profile: mean(each) for profile, each in vectors.items()}
    centre = mean(list(means.values()))
    return Prototypes(
        embeddings_model=model,
        centre=centre,
        profiles={profile: _less(own, centre) for profile, own in means.items()},
    )


def likeness(prototypes: Prototypes, vector: Vector) -> Likeness | None:
    """Return the nearest profile, the first of equals; None if the vector is not of the prototypes' length."""
    if len(vector) != len(prototypes.centre) or not prototypes.profiles:
        return None
    seen = _less(vector, prototypes.centre)
    cosines = {profile: cosine(seen, own) for profile, own in prototypes.profiles.items()}
    profile = max(cosines, key=lambda name: cosines[name])
    return Likeness(profile, min(1.0, max(0.0, cosines[profile])))


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of the angle between two vectors; 0 if one has no direction, or is no number."""
    lengths = math.sqrt(_dot(one, one)) * math.sqrt(_dot(other, other))
    if not 0 < lengths < math.inf:
        return 0.0
    return _dot(one, other) / lengths


def mean(vectors: Sequence[Vector]) -> list[float]:
    """Return the mean of one vector or more."""
    return [sum(values) / len(vectors) for values in zip(*vectors, strict=True)]


def _less(one: Iterable[float], other: Iterable[float]) -> list[float]:
    return [left - right for left, right in zip(one, other, strict=True)]


def _dot(one: Vector, other: Vector) -> float:
    return math.fsum(map(mul, one, other))
