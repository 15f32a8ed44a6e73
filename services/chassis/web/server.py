"""One HTTP server inside a process that has more to do than to serve: it installs no signal handlers and ends in order."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_GRACE_SECONDS = 15
"""What a request in flight may take at the end: below the process's own 20 s."""
_BACKLOG = 1024


class PortTaken(Exception):
    """Somebody else listens on the port. The text says which, and what to do."""


class HttpServer:
    """Takes its port at once, serves when told to."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self._server = _Quiet(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,  # above the idle time of the usual load balancers, which reuse connections
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )

    async def serve(self) -> None:
        """Serve until stopped and the requests in flight have been answered."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True


class _Quiet(uvicorn.Server):
    """Leaves the signals to the process, which has a relay to end behind the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as why:
        listening.close()
        raise PortTaken(
            f"{host}:{port} can't be listened on ({why.strerror}); free it, or set PLACET_PORT to another"
        ) from None
    listening.setblocking(False)
    return listening
