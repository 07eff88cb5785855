"""What the classifier has learnt: one typical vector a profile, and how near a request comes to each. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul

import msgspec

__all__ = [
    "EMBEDDED_CHARACTERS",
    "Directions",
    "Likeness",
    "Prototypes",
    "directions",
    "likeness",
    "mean",
    "prototypes_of",
]

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


class Directions(msgspec.Struct, frozen=True):
    """Prototypes made ready to compare with: the centre, and each profile's vector at length 1."""

    centre: list[float]
    profiles: dict[str, list[float]]


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


def directions(prototypes: Prototypes) -> Directions:
    """Return what `likeness` compares with; made once, so that a request costs one product a profile."""
    return Directions(
        prototypes.centre, {profile: _scaled(own, _length(own)) for profile, own in prototypes.profiles.items()}
    )


def likeness(known: Directions, vector: Vector) -> Likeness | None:
    """Return the nearest profile, the first of equals.

    None if the vector is not of their length, or has no direction as seen from the centre.
    """
    if len(vector) != len(known.centre) or not known.profiles:
        return None
    seen = _less(vector, known.centre)
    length = _length(seen)
    if not length:
        return None
    cosines = {profile: _dot(seen, own) / length for profile, own in known.profiles.items()}
    profile = max(cosines, key=lambda name: cosines[name])
    return Likeness(profile, min(1.0, max(0.0, cosines[profile])))


def mean(vectors: Sequence[Vector]) -> list[float]:
    """Return the mean of one vector or more."""
    return [sum(values) / len(vectors) for values in zip(*vectors, strict=True)]


def _less(one: Iterable[float], other: Iterable[float]) -> list[float]:
    return [left - right for left, right in zip(one, other, strict=True)]


def _length(one: Vector) -> float:
    """Return the length; 0 if it is none that can be divided by."""
    length = math.sqrt(_dot(one, one))
    return length if 0 < length < math.inf else 0.0


def _scaled(one: Vector, length: float) -> list[float]:
    return [value / length if length else 0.0 for value in one]


def _dot(one: Vector, other: Vector) -> float:
    product: float = sum(map(mul, one, other))
    return product
