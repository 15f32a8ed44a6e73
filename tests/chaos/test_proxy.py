"""The proxy passes everything on unchanged, and breaks the wire in each way that it was told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from deploy.local.process import free_port
from tests.chaos import proxy
from tests.chaos.proxy import serve, tell

Call = Callable[[int], Awaitable[Any]]
pytestmark = pytest.mark.connected


@asynccontextmanager
async def wired(target: dict[str, object]) -> AsyncIterator[tuple[int, int]]:
    """A running proxy before an echo; its door and its control port."""
    listen, control, ended = free_port(), free_port(), asyncio.Event()
    running = asyncio.create_task(serve({"control": control, "routes": {"one": {"listen": listen, **target}}}, ended))
    await asyncio.sleep(0.1)
    try:
        yield listen, control
    finally:
        ended.set()
        await running
        await asyncio.sleep(0.05)  # what was aborted is closed in the loop's next turns


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    writers: list[asyncio.StreamWriter] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    port = free_port()
    server = await asyncio.start_server(echo, "127.0.0.1", port)
    try:
        yield port
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hears_back(self, word: bytes, *, seconds: float = 3) -> bool:
        self.writer.write(word)
        try:
            return await asyncio.wait_for(self.reader.readexactly(len(word)), seconds) == word
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return False


@pytest.fixture
async def called() -> AsyncIterator[Callable[[int], Awaitable[Caller]]]:
    """Opens connections, and closes them when the test has ended."""
    callers: list[Caller] = []

    async def call(port: int) -> Caller:
        callers.append(Caller(*await asyncio.open_connection("127.0.0.1", port)))
        return callers[-1]

    yield call
    for caller in callers:
        caller.writer.close()
        with suppress(OSError):
            await caller.writer.wait_closed()


async def with_echo(act: Callable[[int, int], object]) -> None:
    async with echoing() as port, wired({"port": port}) as (listen, control):
        await act(listen, control)  # type: ignore[misc]


async def test_it_passes_everything_on(called: Call) -> None:
    async def act(listen: int, _: int) -> None:
        caller = await called(listen)
        assert await caller.hears_back(b"x" * 1_000_000, seconds=10)

    await with_echo(act)


async def test_the_target_may_be_in_a_file_that_is_written_later(called: Call, tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    async with echoing() as port, wired({"file": str(path), "key": "client"}) as (listen, _):
        assert not await (await called(listen)).hears_back(b"early")
        path.write_text(f'{{"client": {port}}}')
        assert await (await called(listen)).hears_back(b"late")


async def test_a_reset_ends_what_is_open_and_lets_the_next_through(called: Call) -> None:
    async def act(listen: int, control: int) -> None:
        before = await called(listen)
        assert await before.hears_back(b"hello")
        await tell(control, "one", "reset")
        assert not await before.hears_back(b"again")
        assert await (await called(listen)).hears_back(b"anew")

    await with_echo(act)


async def test_refusing_lets_nobody_through_until_it_passes_again(called: Call) -> None:
    async def act(listen: int, control: int) -> None:
        await tell(control, "one", "refuse")
        assert not await (await called(listen)).hears_back(b"hello")
        await tell(control, "one", "pass")
        assert await (await called(listen)).hears_back(b"hello")

    await with_echo(act)


async def test_what_hangs_arrives_when_the_wire_is_mended(called: Call) -> None:
    async def act(listen: int, control: int) -> None:
        caller = await called(listen)
        assert await caller.hears_back(b"hello")
        await tell(control, "one", "hang")
        caller.writer.write(b"held")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(caller.reader.readexactly(4), 0.4)
        await tell(control, "one", "pass")
        assert await asyncio.wait_for(caller.reader.readexactly(4), 3) == b"held"

    await with_echo(act)


async def test_a_slow_wire_is_slow(called: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "SLOW_SECONDS", 0.3)

    async def act(listen: int, control: int) -> None:
        await tell(control, "one", "slow")
        caller = await called(listen)
        caller.writer.write(b"slow")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(caller.reader.readexactly(4), 0.3)
        assert await asyncio.wait_for(caller.reader.readexactly(4), 5) == b"slow"

    await with_echo(act)


async def test_a_mode_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no mode"):
        proxy.Route({"listen": 1, "port": 2}).turn("explode")
