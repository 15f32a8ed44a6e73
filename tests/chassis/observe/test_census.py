"""What is counted every few seconds is told, and a count that fails holds up no other."""

import pytest
from structlog.testing import capture_logs

from services.chassis.observe import telemetry
from services.chassis.observe.census import Census

ALONE = '{}{{role="worker",service="toy"}}'


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "DECLARED", dict(telemetry.DECLARED))
    telemetry.configure("toy", "worker")


def told(name: str) -> set[str]:
    lines = telemetry.exposition()[0].decode().splitlines()
    return {line.replace(',role="worker",service="toy"', "") for line in lines if line.startswith(f"{name}{{")}


async def test_what_is_no_longer_there_becomes_nothing() -> None:
    lies, census = telemetry.gauge("toy_lies", "What lies about", ["kind", "state"]), Census()
    answers = [{("a", "new"): 2, ("b", "old"): 1}, {("b", "old"): 3}]

    async def count() -> dict[tuple[str, ...], float]:
        return {key: float(number) for key, number in answers.pop(0).items()}

    census.ask(lies, count, labels=["kind", "state"])
    await census.once()
    await census.once()
    assert told("toy_lies") == {
        'toy_lies{kind="a",state="new"} 0.0',
        'toy_lies{kind="b",state="old"} 3.0',
    }


async def test_a_count_that_fails_is_logged_once_and_holds_up_no_other() -> None:
    first, second, census = telemetry.gauge("toy_first", "First"), telemetry.gauge("toy_second", "Second"), Census()
    away = True

    async def broken() -> dict[tuple[str, ...], float]:
        if away:
            raise ConnectionError("mongodb://ada:secret@db")
        return {(): 5}

    async def fine() -> dict[tuple[str, ...], float]:
        return {(): 7}

    census.ask(first, broken)
    census.ask(second, fine)
    with capture_logs() as lines:
        await census.once()
        await census.once()
    assert [(line["event"], line["operation"]) for line in lines] == [("not counted", "toy_first")]
    assert told("toy_second") == {ALONE.format("toy_second") + " 7.0"}
    assert told("toy_first") == set()
    away = False
    await census.once()
    assert told("toy_first") == {ALONE.format("toy_first") + " 5.0"}
