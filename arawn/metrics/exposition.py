"""The Prometheus text format, version 0.0.4. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from arawn.metrics.counts import Histogram

__all__ = ["CONTENT_TYPE", "Family", "Sample", "histogram_samples", "written"]

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_LABEL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Sample(msgspec.Struct, frozen=True):
    """One number. `suffix` follows the family's name: only a histogram's samples have one."""

    labels: Mapping[str, str]
    value: float
    suffix: str = ""


class Family(msgspec.Struct, frozen=True):
    """One metric and its samples; `meaning` is one line."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    samples: Sequence[Sample]


def histogram_samples(labels: Mapping[str, str], histogram: Histogram) -> Iterator[Sample]:
    """Yield the buckets of a histogram, its sum and its count."""
    count = 0
    for bound, count in histogram.cumulative():
        yield Sample({**labels, "le": "+Inf" if bound is None else str(bound)}, count, "_bucket")
    yield Sample(labels, histogram.total, "_sum")
    yield Sample(labels, count, "_count")


def written(families: Iterable[Family]) -> bytes:
    """Return the families as text; one without a sample is left out."""
    return "".join(line for family in families if family.samples for line in _lines(family)).encode()


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.meaning}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for sample in family.samples:
        pairs = ",".join(f'{name}="{value.translate(_LABEL_ESCAPES)}"' for name, value in sample.labels.items())
        labels = f"{{{pairs}}}" if pairs else ""
        yield f"{family.name}{sample.suffix}{labels} {sample.value}\n"
