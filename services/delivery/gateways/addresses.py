"""The guard between recipients' addresses and our own network (SSRF): judged on the concrete address, at dial time.

Invariants: a name is resolved once and refused if **any** of its addresses is bad; the address that is connected to was
judged itself, whatever resolved it (so rebinding and every spelling of a literal end here); no redirect is followed.
Local mode opens loopback, and nothing else.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Any

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

LONGEST_URL = 500
HTTPS = 443

REFUSED_V4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""IANA's special-purpose IPv4 blocks: nothing of a recipient's lives there."""
REFUSED_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
"""And IPv6's: those too that carry an IPv4 address inside (mapped, translated, NAT64, Teredo, 6to4)."""
GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""The only block that IANA hands out as global unicast."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:(?P<port>[0-9]{1,5}))?(?P<rest>[/?][!-~]*)?"
)
_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_NUMERIC = re.compile(r"([0-9]+|0[xX][0-9A-Fa-f]*)")


class AddressRefused(Exception):
    """The address is none that we call. It names the rule; the address itself is the recipient's own configuration."""


def against(address: str, *, local: bool) -> str | None:
    """What stands against calling this concrete address; None when nothing does."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "it is no plain IP address"
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id is not None:
        return "it has a scope: it is no public address"
    if local and found.is_loopback:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        bad = any(found in block for block in REFUSED_V4)
    else:
        bad = found not in GLOBAL_V6 or any(found in block for block in REFUSED_V6)
    return "it is no public address" if bad or not found.is_global else None


def check_url(url: str, *, local: bool, ports: Sequence[int] = (HTTPS,)) -> str | None:
    """What stands against an endpoint's address as it is written; None when nothing does. Names are judged when dialled."""
    matched = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if matched is None or "#" in url or "\\" in url:
        return "give a plain https:// address without a login, spaces or a fragment, at most 500 characters long"
    host = matched["host"]
    literal = host[1:-1] if host.startswith("[") else host
    fault = _against_host(host, literal, local=local)
    if fault is not None:
        return fault
    loopback = local and (literal.lower() == "localhost" or _is_loopback(literal))
    if matched["scheme"] != "https" and not loopback:
        return "it must begin with https://"
    port = int(matched["port"]) if matched["port"] else (HTTPS if matched["scheme"] == "https" else 80)
    if port not in ports and not loopback:
        return f"its port must be one of {', '.join(str(one) for one in ports)}"
    return None


def _against_host(host: str, literal: str, *, local: bool) -> str | None:
    if host.startswith("[") and ":" not in literal:
        return "it is no plain IP address"
    if host.startswith("[") or re.fullmatch(r"[0-9.]+", literal):
        return against(literal, local=local)
    # Resolvers read `0x7f.1`, `0177.1` and `2130706433` as addresses: no public name ends in a number (WHATWG URL).
    if _NUMERIC.fullmatch(literal.rsplit(".", 1)[-1]):
        return "it is no plain IP address"
    if not _NAME.fullmatch(literal) or len(literal) > 253:
        return "its host is no name that can be resolved"
    if "." not in literal and not (local and literal.lower() == "localhost"):
        return "its host is no public name"
    return None


def _is_loopback(literal: str) -> bool:
    try:
        return ipaddress.ip_address(literal).is_loopback
    except ValueError:
        return False


class GuardedResolver(AbstractResolver):
    """Resolves a name, and refuses it when any of its addresses is bad: a mixed answer is an attack or a mistake."""

    def __init__(self, *, local: bool, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or ThreadedResolver()
        self._local = local

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for one in found:
            fault = against(one["host"], local=self._local)
            if fault is not None:
                raise AddressRefused(fault)
        return found

    async def close(self) -> None:
        await self._inner.close()


class GuardedSockets:
    """Makes the socket for one concrete address, or refuses: the last gate, which literals pass too."""

    def __init__(self, *, local: bool) -> None:
        self._local = local

    def __call__(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = address
        fault = against(str(where[0]), local=self._local)
        # The scope of an IPv6 address stands apart from its text here.
        if fault is None and len(where) == 4 and where[3]:
            fault = "it has a scope: it is no public address"
        if fault is not None:
            raise AddressRefused(fault)
        return socket.socket(family, kind, protocol)
