"""The self-test says who is not ready and why, and whether the network denies; on real sockets."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from deploy.selftest.__main__ import is_open, main, not_ready, run


@asynccontextmanager
async def process(*answers):
    """A process that gives these answers to its readiness, the last one for ever."""
    left = [*answers]

    async def ready(_request):
        status, body = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_get("/health/ready", ready)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


YES = (200, '{"status": "yes"}')
WAITS = (503, '{"status": "no", "because": {"mongodb-api": "NotNow"}}')


@pytest.mark.connected
async def test_a_process_that_becomes_ready_is_waited_for():
    async with process(WAITS, WAITS, YES) as late, process(YES) as early:
        assert await not_ready({"late": late, "early": early}, 5, pause=0.01) == {}


@pytest.mark.connected
async def test_who_is_not_ready_in_time_is_named_with_what_it_waits_for():
    async with process(WAITS) as address:
        assert await not_ready({"consent-api": address}, 0, pause=0.01) == {"consent-api": "mongodb-api: NotNow"}


@pytest.mark.connected
async def test_nobody_there_and_nonsense_are_told_too():
    async with process((503, "<html>")) as strange:
        said = await not_ready({"gone": "http://127.0.0.1:9", "strange": strange}, 0)
    assert said == {"gone": "no answer (ClientConnectorError)", "strange": "no answer (JSONDecodeError)"}


@pytest.mark.connected
async def test_a_network_that_does_not_deny_is_told():
    async with process(YES) as address:
        place = address.removeprefix("http://")
        assert await is_open(place)
        told = {"PLACET_SELFTEST_PROCESSES": json.dumps({"consent-api": address}), "PLACET_SELFTEST_SECONDS": "0"}
        assert await run(told) == []
        (fault,) = await run({**told, "PLACET_SELFTEST_DENIED": place})
        assert "does not enforce policies" in fault
        assert await run({**told, "PLACET_SELFTEST_DENIED": "127.0.0.1:9"}) == []


def test_a_missing_variable_is_told(capsys):
    assert main({}) == 2
    assert "PLACET_SELFTEST_PROCESSES is missing" in capsys.readouterr().err


@pytest.mark.connected
def test_the_answer_is_a_sentence_and_an_exit_code(capsys):
    told = {"PLACET_SELFTEST_PROCESSES": '{"relay": "http://127.0.0.1:9"}', "PLACET_SELFTEST_SECONDS": "0"}
    assert main(told) == 1
    assert "relay is not ready: no answer" in capsys.readouterr().out
    assert main({"PLACET_SELFTEST_PROCESSES": "{}"}) == 0
