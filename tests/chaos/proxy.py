"""A TCP proxy on loopback that can be told to break the wire: between the house and its brokers, databases and recipients.

`python -m tests.chaos.proxy CONFIG` with `{control, routes: {name: {listen, port | file, key}}}`: a target is a port, or a
file that holds it (by then the node has drawn one). On the control port a line `NAME MODE` is answered with `ok`. Modes:
`pass`; `refuse` (resets what is open and what comes); `hang` (as if every packet were lost, until it passes again); `slow`
(a fifth of a second for each piece); and, without staying, `reset` (what is open now).
"""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop

MODES = ("pass", "refuse", "hang", "slow", "reset")
SLOW_SECONDS = 0.2
_PIECE = 256 * 1024


class Route:
    """One way through: where it is entered, where it leads, and what befalls what passes."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.listen: int = told["listen"]
        self._port: int | None = told.get("port")
        self._file = Path(told["file"]) if "file" in told else None
        self._key: str | None = told.get("key")
        self.mode = "pass"
        self._moving = asyncio.Event()
        self._moving.set()
        self._open: set[asyncio.StreamWriter] = set()

    def turn(self, mode: str) -> None:
        """Change what befalls the traffic from now on."""
        if mode not in MODES:
            raise ValueError(f"there is no mode {mode!r}: {', '.join(MODES)}")
        if mode in {"refuse", "reset"}:
            for writer in tuple(self._open):
                writer.transport.abort()
        self.mode = "pass" if mode == "reset" else mode
        if self.mode == "hang":
            self._moving.clear()
        else:
            self._moving.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        self._open.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            if self.mode != "refuse":
                await self._moving.wait()
                back, other = await asyncio.open_connection("127.0.0.1", self._target())
                self._open.add(other)
                await asyncio.gather(self._pump(reader, other), self._pump(back, writer))
        except (OSError, ValueError, KeyError):
            pass  # whoever knocked finds the door shut, as without a proxy
        finally:
            for one in (writer, other):
                if one is not None:
                    self._open.discard(one)
                    one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            await self._moving.wait()
            if self.mode == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            writer.write(piece)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    def _target(self) -> int:
        if self._port is not None:
            return self._port
        assert self._file is not None
        text = self._file.read_text()
        return int(json.loads(text)[self._key]) if self._key else int(text)


async def serve(config: dict[str, Any], ended: asyncio.Event) -> None:
    """Listen on every route and on the control port until `ended`."""
    routes = {name: Route(told) for name, told in config["routes"].items()}

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                name, mode = line.decode().split()
                routes[name].turn(mode)
                writer.write(b"ok\n")
        finally:
            writer.close()

    servers = [await asyncio.start_server(route.carry, "127.0.0.1", route.listen) for route in routes.values()]
    servers.append(await asyncio.start_server(obey, "127.0.0.1", config["control"]))
    await ended.wait()
    for server in servers:
        server.close()
    for route in routes.values():
        route.turn("refuse")


async def tell(control: int, name: str, mode: str) -> None:
    """Tell a running proxy what befalls a route from now on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", control)
    writer.write(f"{name} {mode}\n".encode())
    try:
        told = await asyncio.wait_for(reader.readline(), 10)
    finally:
        writer.close()
        await writer.wait_closed()
    if told != b"ok\n":
        raise RuntimeError(f"the proxy did not take {name} {mode}")


async def _main(config: dict[str, Any]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await serve(config, ended)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(json.loads(Path(sys.argv[1]).read_text())))
