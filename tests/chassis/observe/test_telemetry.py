import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from services.chassis.observe import telemetry

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    telemetry.configure("toy", "worker", traces_file=tmp_path / "made" / "traces.jsonl")
    return tmp_path / "made" / "traces.jsonl"


def spans(file: Path) -> dict[str, dict[str, Any]]:
    telemetry.shutdown()
    return {line["name"]: line for line in map(json.loads, file.read_text().splitlines())}


def test_a_span_is_a_line_of_the_file(traces: Path) -> None:
    with telemetry.span("records.package.prepared.v1", id="pkg_1", count=2, cause=None):
        telemetry.note(outcome="done")
    line = spans(traces)["records.package.prepared.v1"]
    assert (line["service"], line["role"], line["parent"], line["failed"]) == ("toy", "worker", None, False)
    assert line["attributes"] == {"id": "pkg_1", "count": 2, "outcome": "done"}
    assert line["end"] >= line["start"]


def test_a_stored_traceparent_is_continued(traces: Path) -> None:
    with telemetry.span("outer", trace=PARENT), telemetry.span("inner"):
        carried = telemetry.traceparent()
    found = spans(traces)
    assert (found["outer"]["trace_id"], found["outer"]["parent"]) == (PARENT[3:35], PARENT[36:52])
    assert (found["inner"]["trace_id"], found["inner"]["parent"]) == (PARENT[3:35], found["outer"]["span_id"])
    assert carried == f"00-{PARENT[3:35]}-{found['inner']['span_id']}-01"


def test_a_batch_links_to_the_traces_it_is_part_of(traces: Path) -> None:
    with telemetry.span("batch", links=[PARENT, None, "rubbish"]):
        pass
    assert spans(traces)["batch"]["links"] == [PARENT[3:35]]


def test_a_trace_that_is_not_kept_goes_on_unkept_and_one_that_is_stays_whole(tmp_path: Path) -> None:
    telemetry.configure("toy", "worker", traces_file=tmp_path / "traces.jsonl", share=0.0)
    with telemetry.span("ours"):
        carried = telemetry.traceparent()
    with telemetry.span("theirs", trace=PARENT):
        pass
    with telemetry.span("after", trace=carried):
        pass
    assert carried is not None
    assert not int(carried[-2:], 16) & 1
    assert set(spans(tmp_path / "traces.jsonl")) == {"theirs"}


@pytest.mark.parametrize("rubbish", ["", "00", "00-xyz-1-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é"])
def test_a_malformed_traceparent_starts_a_trace_of_its_own(traces: Path, rubbish: str) -> None:
    with telemetry.span("alone", trace=rubbish):
        pass
    assert spans(traces)["alone"]["parent"] is None


def test_outside_a_trace_there_is_no_traceparent() -> None:
    assert telemetry.traceparent() is None
    with telemetry.span("unconfigured"):
        assert telemetry.traceparent() is None


def test_a_failure_is_told_by_class_and_never_by_its_words(traces: Path) -> None:
    with pytest.raises(ValueError, match="Ada"), telemetry.span("failing"):
        raise ValueError("Ada Lovelace")
    line = spans(traces)["failing"]
    assert (line["failed"], line["attributes"]["error"]) == (True, "ValueError")
    assert "Ada" not in traces.read_text()


def test_an_attribute_that_is_not_on_the_list_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="person"), telemetry.span("x", person="Ada"):
        pass
    with pytest.raises(ValueError, match="mail"):
        telemetry.note(mail="ada@example.org")


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "DECLARED", dict(telemetry.DECLARED))


@pytest.mark.usefixtures("declared")
def test_metrics_are_told_as_prometheus_reads_them() -> None:
    told = telemetry.counter("toy_told_total", "What was told", ["outcome"])
    told.add(outcome="lost")  # before anything is configured: nothing
    telemetry.configure("toy", "api")
    took = telemetry.histogram("toy_took_seconds", "How long it took")
    waits = telemetry.gauge("toy_waiting", "What waits", ["topic"])
    told.add(outcome="done")
    told.add(2, outcome="done")
    took.record(0.007)
    waits.set(4, topic="consent.requests")
    text = telemetry.exposition()[0].decode()
    assert 'toy_told_total{outcome="done",role="api",service="toy"} 3.0' in text
    assert 'toy_took_seconds_bucket{le="0.01",role="api",service="toy"} 1.0' in text
    assert 'toy_took_seconds_bucket{le="0.005",role="api",service="toy"} 0.0' in text
    assert 'toy_waiting{role="api",service="toy",topic="consent.requests"} 4.0' in text
    assert "lost" not in text


OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.mark.usefixtures("declared", "traces")
def test_a_bucket_shows_the_trace_of_its_newest_value_to_who_can_read_it() -> None:
    took = telemetry.histogram("toy_took_seconds", "How long it took", ["outcome"], buckets=(0.01, 1.0))
    with telemetry.span("quick"):
        took.record(0.007, outcome="done")
    took.record(0.5, trace=PARENT, outcome="done")
    took.record(0.6, outcome="done")  # outside of any trace: counted, and no example of anything
    took.record(2.0, trace=PARENT, outcome="lost")
    told, kind = telemetry.exposition(OPENMETRICS)
    lines = told.decode().splitlines()
    examples = {line.split("le=")[1].split('"')[1]: line.partition(" # ")[2] for line in lines if "# {" in line}
    assert kind.startswith("application/openmetrics-text")
    assert {family.name for family in text_string_to_metric_families(told.decode())} == {"toy_took_seconds"}
    assert lines[-1] == "# EOF"
    assert sorted(examples) == ["+Inf", "0.01", "1.0"]
    assert examples["1.0"].startswith(f'{{trace_id="{PARENT[3:35]}"}} 0.5 ')
    assert 'outcome="lost"' in next(line for line in lines if 'le="+Inf"' in line and " # " in line)
    plain, kind = telemetry.exposition()
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert b"trace_id" not in plain


@pytest.mark.usefixtures("declared")
def test_without_traces_and_with_a_rubbish_one_there_is_no_example() -> None:
    telemetry.configure("toy", "api")
    took = telemetry.histogram("toy_took_seconds", "How long it took")
    with telemetry.span("written nowhere"):
        took.record(0.007)
    took.record(0.007, trace="rubbish")
    assert b"trace_id" not in telemetry.exposition(OPENMETRICS)[0]


@pytest.mark.usefixtures("declared")
def test_a_metric_is_declared_once_with_labels_from_the_list() -> None:
    made = telemetry.counter("toy_once_total", "once", ["topic"])
    with pytest.raises(ValueError, match="twice"):
        telemetry.counter("toy_once_total", "again")
    with pytest.raises(ValueError, match="person_id"):
        telemetry.counter("toy_people_total", "people", ["person_id"])
    with pytest.raises(ValueError, match="_total"):
        telemetry.counter("toy_things", "things")
    telemetry.configure("toy", "api")
    with pytest.raises(ValueError, match="topic"):
        made.add(type="x")


def test_a_second_configuration_starts_from_nothing() -> None:
    telemetry.configure("toy", "api")
    telemetry.configure("toy", "worker")
    assert b'role="api"' not in telemetry.exposition()[0]


def test_no_provider_is_set_for_others_to_write_to() -> None:
    from opentelemetry import trace

    telemetry.configure("toy", "api")
    assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
