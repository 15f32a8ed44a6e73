"""Pages for people: templates, words in several languages, one stylesheet, and the error pages of all five services.

A service's own templates lie in `services/<service>/templates/`, its words beside them in `words/<language>.json`. The
shared layout is `chassis/page.html`, the shared parts `chassis/parts.html`. No page needs a script or another site.
"""

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from contracts.types import PersonKind
from services.chassis.web.auth import Caller
from services.chassis.web.door import request_id

HERE = Path(__file__).parent
SERVICES = HERE.parent.parent
LANGUAGES = ("en", "es")
"""The first is complete; what another lacks is said in it."""

A_YEAR = "public, max-age=31536000, immutable"

PLACES: dict[str, frozenset[PersonKind]] = {
    "records": frozenset(PersonKind) - {PersonKind.READER},
    "consent": frozenset(PersonKind) - {PersonKind.READER, PersonKind.EDUCATOR},
    "delivery": frozenset(PersonKind) - {PersonKind.EDUCATOR},
    "notify": frozenset(PersonKind),
    "identity": frozenset(PersonKind),
}
"""The links of the page header, `/<service>/`, and to whom each is of use. What a link shows is for its route to say."""


class WordMissing(KeyError):
    """A template asks for a word that the first language does not have."""


class Words:
    """A catalogue: key → text, per language. A text has places `{name}`; `key.one` is said for a count of one."""

    def __init__(self, *folders: Path) -> None:
        self._texts: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
        for folder in folders:
            for language in LANGUAGES:
                file = folder / f"{language}.json"
                if file.exists():
                    self._texts[language].update(json.loads(file.read_text("utf-8")))

    def say(self, language: str, key: str, **values: object) -> str:
        """The text in `language`, else in the first language. Raises `WordMissing`."""
        for texts in (self._texts[language], self._texts[LANGUAGES[0]]):
            text = texts.get(f"{key}.one") if values.get("count") == 1 else None
            text = text if text is not None else texts.get(key)
            if text is not None:
                return text.format_map(values) if values else text
        raise WordMissing(key)

    def has(self, key: str) -> bool:
        return key in self._texts[LANGUAGES[0]]


class Pages:
    """The templates, words and static files of one service together with the shared ones."""

    def __init__(self, service: str, folder: Path | None = None) -> None:
        self.service = service
        own = folder or SERVICES / service
        self.words = Words(HERE / "words", own / "templates" / "words")
        self._static = _statics(HERE / "static", own / "static")
        self._environment = Environment(
            loader=ChoiceLoader(
                [
                    PrefixLoader({"chassis": FileSystemLoader(HERE / "templates")}),
                    FileSystemLoader(own / "templates"),
                ]
            ),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(groups=groups, size=size)
        self._environment.globals.update(service=service, static=self.static)

    def static(self, name: str) -> str:
        """The address of a static file. It changes with the content, so browsers keep it for a year."""
        return f"/{self.service}/static/{self._static[name][0]}/{name}"

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """A page in the caller's language. Templates know `t`, `day`, `moment`, `me` (the caller), `csrf`, `here`, `request_id`."""
        speech = language(request)
        who: Caller | None = getattr(request.state, "caller", None)
        html = self._environment.get_template(template).render(
            t=lambda key, **places: self.words.say(speech, key, **places),
            day=lambda at, zone=None: day(at, speech, zone),
            moment=lambda at, zone=None: moment(at, speech, zone),
            language=speech,
            me=who,
            csrf=who.csrf if who else "",
            here=request.url.path,
            places=places_of(who),
            request_id=request_id(request),
            **values,
        )
        return HTMLResponse(html, status_code=status, headers={**(headers or {}), "content-language": speech})

    def error(
        self, request: Request, status: int, *, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        """The page for a refusal or a fault. `detail` is a refusal's own sentence, in English."""
        kind = str(status) if self.words.has(f"error.{status}.title") else ("400" if status < 500 else "500")
        return self.render(
            request, "chassis/error.html", status=status, headers=headers, kind=kind, code=status, detail=detail
        )

    def static_route(self) -> Route:
        """Serves the static files, from memory. Only addresses with the hash of today's content exist."""

        async def serve(request: Request) -> Response:
            known = self._static.get(request.path_params["name"])
            if known is None or known[0] != request.path_params["hash"]:
                return Response(status_code=404)
            return Response(known[1], media_type=known[2], headers={"cache-control": A_YEAR})

        return Route(f"/{self.service}/static/{{hash}}/{{name}}", serve)


def render(request: Request, template: str, /, *, status: int = 200, **values: Any) -> Response:
    """A page of the service that this request is for."""
    pages: Pages = request.app.state.pages
    return pages.render(request, template, status=status, **values)


def language(request: Request) -> str:
    """The profile's language, else the first of ours that the browser asks for, else English."""
    who: Caller | None = getattr(request.state, "caller", None)
    wanted = [who.language] if who and who.language else []
    wanted += preferred(request.headers.get("accept-language", ""))
    return next((short for tag in wanted if (short := tag.split("-")[0].lower()) in LANGUAGES), LANGUAGES[0])


def preferred(header: str) -> list[str]:
    """Language tags of an `Accept-Language` header, the most wanted first (RFC 9110 §12.5.4)."""
    tags: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if tag and weight > 0:
            tags.append((-weight, tag))
    return [tag for _, tag in sorted(tags, key=lambda pair: pair[0])]


def places_of(who: Caller | None) -> list[str]:
    """The services whose start page is of use to the caller."""
    if who is None:
        return []
    return [service for service, kinds in PLACES.items() if kinds & who.kinds or service == "identity"]


MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}


def date_in(speech: str, local: datetime) -> str:
    """`24 November 2026`, `24 de noviembre de 2026`: unlike digits, nobody can read it the wrong way round."""
    month = MONTHS[speech].split()[local.month - 1]
    return f"{local.day} de {month} de {local.year}" if speech == "es" else f"{local.day} {month} {local.year}"


def day(at: datetime, speech: str, zone: tzinfo | None = None) -> Markup:
    """A date, as a `time` element; in `zone`, where it matters whose day it is."""
    local = at.astimezone(zone) if zone else at
    return Markup('<time datetime="{}">{}</time>').format(local.date().isoformat(), date_in(speech, local))


def moment(at: datetime, speech: str, zone: tzinfo | None = None) -> Markup:
    """`24 November 2026, 22:26 UTC`, as a `time` element."""
    local = at.astimezone(zone) if zone else at
    words = f"{date_in(speech, local)}, {local:%H:%M} {local.tzname() or 'UTC'}"
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(timespec="seconds"), words)


def groups(text: str, each: int = 8) -> list[str]:
    """A long hexadecimal text in groups that an eye can compare."""
    return [text[start : start + each] for start in range(0, len(text), each)]


def size(count: int) -> str:
    """`184 kB`: bytes as people say them (powers of 1000)."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def _statics(*folders: Path) -> dict[str, tuple[str, bytes, str]]:
    """Name → hash, content, media type."""
    found: dict[str, tuple[str, bytes, str]] = {}
    for folder in folders:
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            content = file.read_bytes()
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            found[file.name] = (hashlib.sha256(content).hexdigest()[:16], content, kind)
    return found
