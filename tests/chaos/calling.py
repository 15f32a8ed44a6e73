"""One HTTP call, written down whatever came of it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from services.chassis import clock
from tests.chaos.history import Call, Json, Pen

PATIENCE = 20.0
"""Seconds until no answer is an answer too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 when nothing did."""

    status: int
    told: Json
    content: bytes = b""

    @property
    def done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def unsure(self) -> bool:
        """Nobody knows whether it was done, or it may be done at another moment: worth another try."""
        return self.status == 0 or self.status >= 500 or self.status in {401, 429}


class Line:
    """Calls the house, and notes each call."""

    def __init__(self, web: aiohttp.ClientSession, origin: str, pen: Pen) -> None:
        self._web, self._origin, self._pen = web, origin, pen

    async def call(
        self,
        method: str,
        path: str,
        *,
        act: str,
        about: str,
        who: str,
        token: str,
        body: Json = None,
        headers: dict[str, str] | None = None,
        judged: Any = None,
    ) -> Answer:
        """The answer. `judged` picks from it what the history keeps."""
        sent = {"authorization": f"Bearer {token}", "accept": "application/json", **(headers or {})}
        began = _now()
        try:
            async with self._web.request(
                method, self._origin + path, json=body, headers=sent, timeout=aiohttp.ClientTimeout(total=PATIENCE)
            ) as got:
                content = await got.read()
                answer = Answer(got.status, _parsed(content, got.content_type), content)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):
            answer = Answer(0, {})
        said = judged(answer) if judged and answer.done else {}
        about = said.pop("about", about)
        self.note(began, act=act, about=about, who=who, status=answer.status, url=path, said=said)
        return answer

    def note(
        self, began: float, *, act: str, about: str, who: str, status: int, url: str = "", said: Json = None
    ) -> None:
        self._pen.note(
            Call(began=began, ended=_now(), who=who, act=act, about=about, status=status, url=url, said=said or {})
        )


def _now() -> float:
    return clock.now().timestamp()


def _parsed(content: bytes, media_type: str) -> Json:
    if not media_type.endswith("json") or not content:
        return {}
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
