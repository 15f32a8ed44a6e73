"""One example for each bucket of a histogram: a measured value and the trace in which it was measured.

From a bar that is too tall on a dashboard straight to one request that made it so (OpenMetrics 1.0, "Exemplars"). Only
traces that are written somewhere are named, and a trace's id names no person.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.core import Exemplar

_BUCKET = "_bucket"
_BOUND = "le"

Labels = frozenset[tuple[str, str]]


@dataclass(slots=True)
class Exemplars:
    """The newest example of each bucket of one histogram. As many at the most as it has buckets and sets of labels."""

    bounds: Sequence[float]
    _kept: dict[tuple[Labels, float], Exemplar] = field(default_factory=dict)

    def keep(self, labels: Mapping[str, str | int], value: float, *, trace_id: str, at: float) -> None:
        """Note a value measured in a trace, `at` seconds since 1970."""
        place = bisect_left(self.bounds, value)
        bound = self.bounds[place] if place < len(self.bounds) else math.inf
        self._kept[_labels(labels), bound] = Exemplar({"trace_id": trace_id}, value, at)

    def find(self, labels: Labels, bound: float) -> Exemplar | None:
        return self._kept.get((labels, bound))

    def forget(self) -> None:
        """As when the process began."""
        self._kept.clear()


def exemplified(families: Iterable[Metric], known: Mapping[str, tuple[Exemplars, frozenset[str]]]) -> Iterator[Metric]:
    """The families with an example at each bucket that has one. `known`: by name, with the histogram's own labels."""
    for family in families:
        if family.name in known:
            exemplars, own = known[family.name]
            for place, sample in enumerate(family.samples):
                if sample.name.endswith(_BUCKET):
                    labels = _labels({name: value for name, value in sample.labels.items() if name in own})
                    found = exemplars.find(labels, float(sample.labels[_BOUND]))
                    family.samples[place] = sample._replace(exemplar=found)
        yield family


def _labels(labels: Mapping[str, str | int]) -> Labels:
    return frozenset((name, str(value)) for name, value in labels.items())
