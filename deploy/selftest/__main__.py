"""`python -m deploy.selftest`: every process is ready, and the network keeps what is not allowed from happening.

`PLACET_SELFTEST_PROCESSES` is JSON: name → address. Each is asked `/health/ready` until it says yes, or until
`PLACET_SELFTEST_SECONDS` are over; what the late ones wait for is told. With `PLACET_SELFTEST_DENIED` (host:port) a
connection there must fail: the chart names the API server, which is always there and which no policy of ours allows.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import aiohttp

_PATIENCE = 5.0
"""Seconds for one question: above the 2 s that a process gives its own checks."""
_PAUSE = 2.0
_CONNECT_SECONDS = 5.0


async def waiting_for(client: aiohttp.ClientSession, address: str) -> str:
    """What keeps a process from being ready; empty when nothing does."""
    try:
        async with client.get(f"{address}/health/ready") as answer:
            if answer.status == 200:
                return ""
            said: dict[str, Any] = json.loads(await answer.text())
            return ", ".join(f"{name}: {why}" for name, why in said.get("because", {}).items()) or f"{answer.status}"
    except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as why:
        return f"no answer ({type(why).__name__})"


async def not_ready(processes: Mapping[str, str], seconds: float, *, pause: float = _PAUSE) -> dict[str, str]:
    """Who is not ready when the time is over, and what it waits for. Ends as soon as all are."""
    until = asyncio.get_running_loop().time() + seconds
    left = dict(processes)
    said: dict[str, str] = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as client:
        while True:
            answers = await asyncio.gather(*(waiting_for(client, address) for address in left.values()))
            said = {name: why for name, why in zip(left, answers, strict=True) if why}
            left = {name: left[name] for name in said}
            if not left or asyncio.get_running_loop().time() >= until:
                return said
            await asyncio.sleep(pause)


async def is_open(place: str) -> bool:
    """Whether somebody lets us in at host:port."""
    host, _, port = place.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), _CONNECT_SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def run(env: Mapping[str, str]) -> list[str]:
    """What is wrong, a sentence each."""
    processes: dict[str, str] = json.loads(env["PLACET_SELFTEST_PROCESSES"])
    late = await not_ready(processes, float(env.get("PLACET_SELFTEST_SECONDS", "240")))
    faults = [f"{name} is not ready: {why}; see its log" for name, why in late.items()]
    denied = env.get("PLACET_SELFTEST_DENIED", "")
    if denied and await is_open(denied):
        faults.append(
            f"{denied} can be reached, which no network policy allows: this cluster's network plugin does not enforce "
            "policies; use one that does, or say networkPolicy.enabled: false and know that nothing is denied"
        )
    return faults


def main(env: Mapping[str, str] = os.environ) -> int:
    """Ask, and tell."""
    if "PLACET_SELFTEST_PROCESSES" not in env:
        print("PLACET_SELFTEST_PROCESSES is missing: it is JSON, process → address", file=sys.stderr)
        return 2
    faults = asyncio.run(run(env))
    print(*(faults or ["every process is ready, and what must be denied is denied"]), sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
