"""Every question of an alert or a dashboard asks for something that is told: metric, labels and the words in them."""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest

from contracts.event import known_types
from contracts.topics import SERVICES
from deploy.cli import metrics
from deploy.observe.alerts import EVERYTHING
from deploy.observe.dashboards import BOARDS
from deploy.observe.panels import questions
from deploy.observe.rules import Alert, Record
from services.chassis.kafka.verdicts import End
from services.chassis.observe.telemetry import DECLARED, LABELS
from services.chassis.store.aside import AsideState
from services.delivery.store import DISABLED, FAILING, HEALTHY
from services.notify.domain import Status

_CRON = {"namespace", "cronjob"}
OUTSIDE = {"kube_cronjob_status_last_successful_time": _CRON, "kube_cronjob_created": _CRON}
"""What others tell: kube-state-metrics."""
EVERYWHERE = {"namespace", "service", "role"}
"""On each of our series: `service` and `role` by ourselves, `namespace` by Prometheus's operator."""
RECORDED = {rule.name: rule for group in EVERYTHING for rule in group.rules if isinstance(rule, Record)}
ASKED = {
    **{
        f"{rule.name}-{rule.severity}": rule.expr
        for group in EVERYTHING
        for rule in group.rules
        if isinstance(rule, Alert)
    },
    **{name: rule.expr for name, rule in RECORDED.items()},
    **{
        f"{name}: {number}": expr
        for name, board in BOARDS.items()
        for number, expr in enumerate(questions(board()), start=1)
    },
}


@pytest.fixture(scope="module", autouse=True)
def every_metric_is_declared() -> None:
    metrics.page()


def parts(node: Any) -> Iterator[Any]:
    """An expression and everything in it."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from parts(inner)
    for argument in getattr(node, "args", ()):
        yield from parts(argument)


def selectors(expr: str) -> list[Any]:
    return [node for node in parts(promql.parse(expr)) if isinstance(node, promql.VectorSelector)]


def labels_of(name: str | None) -> set[str]:
    """The labels that a series of this name may have."""
    assert name is not None, "a question by labels alone"
    if name in OUTSIDE:
        return OUTSIDE[name]
    if name in RECORDED:
        return EVERYWHERE | {word for node in parts(promql.parse(RECORDED[name].expr)) for word in grouped_by(node)}
    base = re.sub("_(bucket|sum|count)$", "", name)
    metric = DECLARED.get(name) or DECLARED.get(base)
    assert metric is not None, f"nobody tells {name}"
    assert (metric.kind == "histogram") == (name != base), f"{name} is a {metric.kind}"
    return EVERYWHERE | metric.labels | ({"le"} if name.endswith("_bucket") else set())


def grouped_by(node: Any) -> set[str]:
    """The labels by which it groups or matches."""
    modifier = getattr(node, "modifier", None)
    matching = getattr(modifier, "matching", modifier)
    return set(getattr(matching, "labels", ()))


def wrong_names(expr: str) -> Iterator[str]:
    """Metrics that nobody tells, and labels that they don't have."""
    for node in parts(promql.parse(expr)):
        if isinstance(node, promql.VectorSelector):
            used = {matcher.name for matcher in node.matchers.matchers}
            yield from (f"{node.name} has no {label}" for label in used - labels_of(node.name))
        inner = [one.name for one in parts(node) if isinstance(one, promql.VectorSelector)]
        known = set().union(*(labels_of(one) for one in inner))
        yield from (f"{label} is nothing to group {inner} by" for label in grouped_by(node) - known)


def wrong_words(expr: str) -> Iterator[str]:
    """Values of labels that never occur."""
    words = {
        "service": set(SERVICES),
        "type": set(known_types()),
        "state": {HEALTHY, FAILING, DISABLED, *AsideState},
        "outcome": {*End, "failed", "done", "later", *(str(one) for one in Status)},
        "le": {f"{bound}" for metric in DECLARED.values() for bound in metric.buckets},
        "namespace": {"$namespace"},
        "status": {"5.."},
        "cronjob": {".*backup.*", ".*backup-keys"},
    }
    for selector in selectors(expr):
        for matcher in selector.matchers.matchers:
            asked = {matcher.value} if matcher.op == promql.MatchOp.Equal else set(matcher.value.split("|"))
            yield from (f"{matcher.name} is never {word}" for word in asked - words.get(matcher.name, set()))


@pytest.mark.parametrize("name", ASKED)
def test_a_question_asks_for_what_is_told(name: str) -> None:
    assert selectors(ASKED[name])
    assert [*wrong_names(ASKED[name]), *wrong_words(ASKED[name])] == []


@pytest.mark.parametrize(
    "expr",
    [
        "placet_watermark_ages",
        "placet_event_age_seconds",
        "placet_ready_count",
        'placet_ready{topic="x"}',
        "sum by (person) (placet_ready)",
        "placet_ready unless on (topic) placet_relay_leads",
        "placet:web_errors:ratio_rate7m",
        'rate(placet_http_request_seconds_bucket{le="1"}[5m])',
        'placet_webhook_endpoints{state="broken"}',
        'placet_messages_total{type="consent.request.aproved.v1"}',
        'placet_ready{service=~"records|deliver"}',
    ],
)
def test_a_wrong_question_is_found_out(expr: str) -> None:
    try:
        found = [*wrong_names(expr), *wrong_words(expr)]
    except AssertionError as why:
        found = [str(why)]
    assert found


def test_whose_metric_nobody_asks_for_is_known() -> None:
    """What is neither alerted nor shown is there for whoever searches; the list is short, and says so."""
    asked = {re.sub("_(bucket|sum|count)$", "", one.name) for expr in ASKED.values() for one in selectors(expr)}
    ours = {name for name in DECLARED if name.startswith("placet_")}
    assert ours - asked == {"placet_duty_begun_total", "placet_poll_records"}


def test_no_label_of_ours_could_hold_a_person() -> None:
    for expr in ASKED.values():
        for node in parts(promql.parse(expr)):
            assert grouped_by(node) <= LABELS | {"namespace", "le", "cronjob"}
