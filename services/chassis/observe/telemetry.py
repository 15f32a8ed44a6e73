"""Traces and metrics. One trace spans HTTP, every hop, webhook and mail; no attribute or label can name a person.

Invariant: attributes are the log's fields, labels are `LABELS`; anything else is refused where it is written. The
providers are ours alone and never set globally, so a library that would trace itself (URLs, queries) writes nowhere.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from opentelemetry import metrics
from opentelemetry import trace as otel
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as PrometheusFamily
from prometheus_client.exposition import choose_encoder

from services.chassis import clock
from services.chassis.observe.exemplars import Exemplars, exemplified
from services.chassis.observe.log import FIELDS, name_of

LABELS = frozenset({
    "service", "role", "method", "route", "status", "type", "topic", "partition", "group",
    "reason", "outcome", "kind", "channel", "check", "operation", "state", "key",
})  # fmt: skip
"""The labels a metric may carry: words from closed lists. Ids are none, so the number of series stays small."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bucket bounds for durations: fine around the goals (10 ms a hop, 200 ms a request), coarse up to a webhook's 15 s."""

_W3C = TraceContextTextMapPropagator()


@dataclass(slots=True)
class Metric:
    """One declared metric. Recording before `configure` (in a unit test) is a silent nothing."""

    name: str
    description: str
    kind: Literal["counter", "histogram", "gauge"]
    labels: frozenset[str]
    buckets: Sequence[float] = ()
    exemplars: Exemplars = field(init=False, repr=False)
    _instrument: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.exemplars = Exemplars(self.buckets)

    def add(self, amount: float = 1, **labels: str | int) -> None:
        """Counts `amount` more. Counters only."""
        if self._instrument is not None:
            self._instrument.add(amount, self._known(labels))

    def record(self, value: float, *, trace: str | None = None, **labels: str | int) -> None:
        """Notes one measured value. Histograms only. Its example is the trace of a traceparent, else the current one."""
        if self._instrument is None:
            return
        self._instrument.record(value, self._known(labels))
        context = context_of(trace) if trace else otel.get_current_span().get_span_context()
        if context is not None and context.is_valid and context.trace_flags.sampled:
            trace_id = otel.format_trace_id(context.trace_id)
            self.exemplars.keep(labels, value, trace_id=trace_id, at=clock.now().timestamp())

    def set(self, value: float, **labels: str | int) -> None:
        """Says what a value is now. Gauges only."""
        if self._instrument is not None:
            self._instrument.set(value, self._known(labels))

    def _known(self, labels: dict[str, str | int]) -> dict[str, str | int]:
        if not labels.keys() <= self.labels:
            raise ValueError(f"metric {self.name} has the labels {sorted(self.labels)}, not {sorted(labels)}")
        return labels

    def bind(self, meter: metrics.Meter) -> None:
        self.exemplars.forget()
        if self.kind == "counter":
            self._instrument = meter.create_counter(self.name, description=self.description)
        elif self.kind == "gauge":
            self._instrument = meter.create_gauge(self.name, description=self.description)
        else:
            self._instrument = meter.create_histogram(
                self.name, description=self.description, explicit_bucket_boundaries_advisory=list(self.buckets)
            )


@dataclass(slots=True)
class _Set:
    """What this process traces and measures with, once it is configured."""

    tracer: otel.Tracer = field(default_factory=otel.NoOpTracer)
    traces: TracerProvider | None = None
    meter: metrics.Meter | None = None
    meters: MeterProvider | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)


DECLARED: dict[str, Metric] = {}
"""All metrics by name, for dashboards, alerts and documents. A name is declared once."""

_set = _Set()


def counter(name: str, description: str, labels: Sequence[str] = ()) -> Metric:
    """A number that only grows; its name ends in `_total`."""
    if not name.endswith("_total"):
        raise ValueError(f"counter {name} must end in _total: that is how it is asked for")
    return _declare(Metric(name, description, "counter", frozenset(labels)))


def histogram(name: str, description: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = SECONDS) -> Metric:
    """A spread of values, in buckets; its name ends in its unit (`_seconds`, `_bytes`)."""
    # As OpenMetrics spells bounds (`le="1.0"`), also where they were given as whole numbers.
    return _declare(Metric(name, description, "histogram", frozenset(labels), [float(bound) for bound in buckets]))


def gauge(name: str, description: str, labels: Sequence[str] = ()) -> Metric:
    """A value that goes up and down, as it was last set."""
    return _declare(Metric(name, description, "gauge", frozenset(labels)))


def configure(
    service: str, role: str, *, traces_file: Path | None = None, otlp_endpoint: str | None = None, share: float = 1.0
) -> None:
    """Starts exporting: spans to a file of JSON lines and/or to an OTLP endpoint over HTTP, metrics to `exposition`.

    Of the traces that begin here a `share` between 0 and 1 is kept; one that began elsewhere is kept if it is kept there.
    """
    shutdown()
    resource = Resource.create({"service.name": f"placet-{service}", "service": service, "role": role})
    # The metrics' registry would keep numbers of an earlier configuration: a fresh one each time.
    _set.registry = CollectorRegistry()
    reader = PrometheusMetricReader(
        disable_target_info=True,
        scope_info_enabled=False,
        resource_attribute_filter=lambda key: key in {"service", "role"},
        registry=_set.registry,
    )
    _set.meters = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
    _set.meter = _set.meters.get_meter("placet")
    for metric in DECLARED.values():
        metric.bind(_set.meter)
    _set.traces = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(share), shutdown_on_exit=False)
    if traces_file is not None:
        _set.traces.add_span_processor(BatchSpanProcessor(FileSpans(traces_file), schedule_delay_millis=500))
    if otlp_endpoint is not None:
        _set.traces.add_span_processor(BatchSpanProcessor(_otlp(otlp_endpoint)))
    exports = traces_file is not None or otlp_endpoint is not None
    _set.tracer = _set.traces.get_tracer("placet") if exports else otel.NoOpTracer()


def shutdown() -> None:
    """Writes what is still in memory and stops. Safe to call twice."""
    if _set.traces is not None:
        _set.traces.shutdown()
    if _set.meters is not None:
        _set.meters.shutdown()
    for metric in DECLARED.values():
        metric.bind(metrics.NoOpMeter("placet"))
    _set.traces, _set.meters, _set.meter, _set.tracer = None, None, None, otel.NoOpTracer()


def exposition(accept: str = "") -> tuple[bytes, str]:
    """All metrics with their media type: in Prometheus's text format, or in OpenMetrics (with exemplars) to who asks for it."""
    encode, kind = choose_encoder(accept)
    return encode(_Exemplified()), kind


class _Exemplified:
    """The registry, as an encoder reads it."""

    def collect(self) -> Iterator[PrometheusFamily]:
        known = {
            name: (metric.exemplars, metric.labels) for name, metric in DECLARED.items() if metric.kind == "histogram"
        }
        return exemplified(_set.registry.collect(), known)


def traceparent() -> str | None:
    """The W3C `traceparent` of the current span, to be kept in an outbox row or sent along; none outside a trace."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(
    name: str,
    *,
    trace: str | None = None,
    links: Sequence[str | None] = (),
    **attributes: str | float | bool | None,
) -> Iterator[otel.Span]:
    """A span around a piece of work: a child of the stored traceparent `trace`, else of the current span.

    `links` are traceparents of other traces that this work is also part of (a batch). An exception marks the span as
    failed with the exception's class, never its message, and goes on.
    """
    parent = _W3C.extract({"traceparent": trace}) if trace else None
    others = [otel.Link(context) for link in links if (context := context_of(link)) is not None]
    with _set.tracer.start_as_current_span(
        name, context=parent, links=others, attributes=_allowed(attributes), record_exception=False
    ) as current:
        try:
            yield current
        except Exception as failure:
            current.set_attribute("error", name_of(failure))
            current.set_status(otel.StatusCode.ERROR)
            raise


def note(**attributes: str | float | bool | None) -> None:
    """Adds attributes to the current span."""
    otel.get_current_span().set_attributes(_allowed(attributes))


def context_of(traceparent_: str | None) -> otel.SpanContext | None:
    """Trace and span a stored traceparent speaks of; none when it is missing or malformed."""
    if not traceparent_:
        return None
    context = otel.get_current_span(_W3C.extract({"traceparent": traceparent_})).get_span_context()
    return context if context.is_valid else None


class FileSpans(SpanExporter):
    """Appends each span to a file as one line of JSON; `placet follow` reads it. Several processes may share the file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered and in append mode: each write is one write(2), so lines of several processes do not mix.
        self._file = path.open("ab", buffering=0)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._file.write(b"".join(orjson.dumps(_line(span)) + b"\n" for span in spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  (the library's signature)
        return True


def _line(span: ReadableSpan) -> dict[str, object]:
    context = span.get_span_context()
    return {
        "trace_id": f"{context.trace_id:032x}" if context else None,
        "span_id": f"{context.span_id:016x}" if context else None,
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "service": span.resource.attributes.get("service"),
        "role": span.resource.attributes.get("role"),
        "start": span.start_time,
        "end": span.end_time,
        "failed": span.status.status_code is otel.StatusCode.ERROR,
        "attributes": dict(span.attributes or {}),
        "links": [f"{link.context.trace_id:032x}" for link in span.links],
    }


def _allowed(attributes: dict[str, str | float | bool | None]) -> dict[str, str | float | bool]:
    if not attributes.keys() <= FIELDS:
        raise ValueError(f"a span has no place for {sorted(attributes.keys() - FIELDS)}; the fields are in log.FIELDS")
    return {key: value for key, value in attributes.items() if value is not None}


def _otlp(endpoint: str) -> SpanExporter:
    # Imported when wanted: requests and protobuf cost 100 ms of every start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")


def _declare(metric: Metric) -> Metric:
    if metric.name in DECLARED:
        raise ValueError(f"metric {metric.name} is declared twice")
    if not metric.labels <= LABELS:
        raise ValueError(
            f"metric {metric.name} has unknown labels {sorted(metric.labels - LABELS)}; known: telemetry.LABELS"
        )
    DECLARED[metric.name] = metric
    if _set.meter is not None:
        metric.bind(_set.meter)
    return metric
