"""Traces as services write them down in local mode, drawn as one tree over all hops."""

import io
import json
from pathlib import Path

from rich.console import Console

from deploy.cli.tracing import MAX_SPANS, trees

MS = 1_000_000


def span(  # noqa: PLR0917 - the columns of a table
    number: int, parent: int | None, service: str, name: str, start: float, end: float, **more: object
) -> str:
    row = {
        "trace_id": "t" * 32,
        "span_id": f"{number:016x}",
        "parent": None if parent is None else f"{parent:016x}",
        "service": service,
        "name": name,
        "start": int(start * MS),
        "end": int(end * MS),
        "failed": False,
        **more,
    }
    return json.dumps(row) + "\n"


def drawn(folder: Path, *traces: str) -> str:
    console = Console(file=io.StringIO(), width=100)
    for tree in trees(folder, set(traces)):
        console.print(tree)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_hops_of_one_trace_are_one_tree_with_its_times(tmp_path: Path):
    (tmp_path / "consent-all.jsonl").write_text(
        span(1, None, "consent", "POST /consent/requests", 0, 12) + span(2, 1, "consent", "relay", 13, 15)
    )
    (tmp_path / "records-all.jsonl").write_text(
        span(3, 2, "records", "consent.request.approved.v1", 16, 30, failed=True)
        + span(9, None, "records", "another", 0, 1, trace_id="u" * 32)
    )
    said = drawn(tmp_path, "t" * 32).splitlines()
    assert "2 services, 3 steps, 30 ms" in said[0]
    assert [line.lstrip("│├└─ ").split()[2] for line in said[1:]] == ["consent", "consent", "records"]
    assert "16.0 ms" in said[3]
    assert "14.0 ms failed" in said[3]
    assert "another" not in "".join(said)


def test_a_step_whose_parent_was_never_written_stands_at_the_root(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(span(3, 2, "records", "heard", 0, 1))
    assert "heard" in drawn(tmp_path, "t" * 32)


def test_names_of_steps_are_shown_as_they_are(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(span(1, None, "records", "GET /records/{id}[red]", 0, 1))
    assert "GET /records/{id}[red]" in drawn(tmp_path, "t" * 32)


def test_a_half_written_line_and_an_endless_trace_do_no_harm(tmp_path: Path):
    many = "".join(span(number, None, "records", "step", number, number + 1) for number in range(MAX_SPANS + 50))
    (tmp_path / "a.jsonl").write_text(many + '{"trace_id": "' + "t" * 32)
    assert f"{MAX_SPANS} steps" in drawn(tmp_path, "t" * 32)


def test_no_traces_no_trees(tmp_path: Path):
    assert drawn(tmp_path, "t" * 32) == ""
    assert drawn(tmp_path) == ""
