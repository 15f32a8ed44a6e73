"""What is promised of speed and success (99.9 %), and the alerts when the allowance of a month is used up too fast.

Multi-window, multi-burn-rate (Google, The Site Reliability Workbook, chapter 5): a page at 14.4 times the even pace over an
hour (2 % of the month's allowance gone) or 6 times over six hours (5 %), a ticket at 3 times over a day or once over three
days (10 %); each also over a twelfth of its window, so that it ends soon after the trouble does. A quiet house is not woken
by one mishap: the larger window must hold `LEAST` of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.observe.rules import Alert, Group, Record, Severity

OBJECTIVE = 0.999
ALLOWED = "0.001"
LEAST = 5
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
# Severity → (pace, window, its twelfth), and how long it must hold.
_PACES: dict[Severity, tuple[tuple[tuple[str, str, str], ...], str]] = {
    "page": ((("14.4", "1h", "5m"), ("6", "6h", "30m")), "2m"),
    "ticket": ((("3", "1d", "2h"), ("1", "3d", "6h")), "15m"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One promise. `bad` and `all` are counters' selectors, of which those are counted that have grown."""

    name: str
    alert: str
    by: str
    all: str
    bad: str | None = None
    good: str | None = None
    """One of `bad` and `good`: what a histogram's bucket holds is good."""
    summary: str
    description: str

    def group(self) -> Group:
        """Its recording rules and its alerts."""
        return Group(f"placet.{self.name}", [*self._records(), *self._alerts()])

    def _grown(self, selector: str, window: str, *, how: str = "rate") -> str:
        return f"sum by ({self.by}) ({how}({selector}[{window}]))"

    def _records(self) -> Iterator[Record]:
        for window in _WINDOWS:
            all_ = self._grown(self.all, window)
            if self.bad is not None:
                ratio = f"{self._grown(self.bad, window)} / {all_}"
            else:
                assert self.good is not None
                ratio = f"1 - {self._grown(self.good, window)} / {all_}"
            yield Record(name=self._ratio(window), expr=ratio)

    def _ratio(self, window: str) -> str:
        return f"placet:{self.name}:ratio_rate{window}"

    def _alerts(self) -> Iterator[Alert]:
        for severity, (paces, lasting) in _PACES.items():
            ways = [
                f"({self._ratio(long)} > {pace} * {ALLOWED} and {self._ratio(short)} > {pace} * {ALLOWED} "
                f"and {self._missed(long)} >= {LEAST})"
                for pace, long, short in paces
            ]
            yield Alert(
                name=self.alert,
                severity=severity,
                expr="\nor\n".join(ways),
                lasting=lasting,
                summary=self.summary,
                description=self.description,
            )

    def _missed(self, window: str) -> str:
        if self.bad is not None:
            return self._grown(self.bad, window, how="increase")
        assert self.good is not None
        return f"({self._grown(self.all, window, how='increase')} - {self._grown(self.good, window, how='increase')})"


_REQUESTS = "placet_http_request_seconds"
_HOPS = 'service=~"records|delivery",type=~"consent.request.approved.v1|records.transcript.released.v1"'

WEB = Objective(
    name="web_errors",
    alert="PlacetWebErrors",
    by="namespace, service",
    all=f"{_REQUESTS}_count",
    bad=f'{_REQUESTS}_count{{status=~"5.."}}',
    summary="{{ $labels.service }} fails {{ $value | humanizePercentage }} of its requests",
    description=(
        "People see an error page, programs a 5xx answer. What was accepted before is safe: an answer below 300 means "
        "that it is committed. More than 0.1 % is above what is promised for a month."
    ),
)
ACCEPT = Objective(
    name="accept_slow",
    alert="PlacetAcceptSlow",
    by="namespace",
    all=f'{_REQUESTS}_count{{service="consent"}}',
    good=f'{_REQUESTS}_bucket{{service="consent",le="1.0"}}',
    summary="consent takes longer than a second for {{ $value | humanizePercentage }} of its requests",
    description=(
        "Families and registrars wait when they ask, sign, approve or take back. Nothing is lost. "
        "Promised is a second for 99.9 %."
    ),
)
RELEASE = Objective(
    name="release_slow",
    alert="PlacetReleaseSlow",
    by="namespace",
    all=f"placet_event_age_seconds_count{{{_HOPS}}}",
    good=f'placet_event_age_seconds_bucket{{{_HOPS},le="5.0"}}',
    summary="{{ $value | humanizePercentage }} of the hops from approval to available take longer than 5 s",
    description=(
        "Approved transcripts reach records or delivery late. A school's hold is no part of this. "
        "See the outbox of consent and records, and the lag of records and delivery."
    ),
)
OBJECTIVES = (WEB, ACCEPT, RELEASE)
