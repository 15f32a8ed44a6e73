"""Draws the transcript as PDF/A-3a and PDF/UA-1 with typst, the credential attached, the same bytes every time.

Invariants: no font of the machine is used, only those of the wheels named here, so two machines draw the same page; a
character that no font has is an error that names it, never an empty box; one compiler to a thread ("Already
borrowed"); and a process in which typst ran is never forked (it hangs): the pool spawns its workers.
"""

import asyncio
import multiprocessing
import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import orjson
import typst

RENDERER_VERSION = "1"  # part of a package's address: raise it when template, fonts or typst change

# Wheels with fonts under open licences (OFL; DejaVu Sans in ziafont: Bitstream Vera), and the folder inside each.
# The order of the families is the template's; these only say where they are.
_FONT_WHEELS = (
    ("fontpkg_inter", "files"),
    ("fontpkg_noto_serif", "files"),
    ("fontpkg_noto_sans", "files"),
    ("fontpkg_noto_sans_arabic", "files"),
    ("fontpkg_heebo", "files"),
    ("fontpkg_noto_sans_devanagari", "files"),
    ("fontpkg_noto_sans_tamil", "files"),
    ("fontpkg_noto_sans_telugu", "files"),
    ("fontpkg_noto_sans_thai", "files"),
    ("fontpkg_noto_sans_khmer", "files"),
    ("cvttf_NotoSansCJK_Regular", ""),
    ("ziafont", "fonts"),
)
_MISSING_GLYPH = re.compile(r'the text `"(.+?)"` could not be displayed', re.DOTALL)

_of_this_thread = threading.local()


class CannotRender(RuntimeError):
    """The page could not be drawn: a fault of template or installation, not of the content."""


class MissingGlyph(ValueError):
    """No font has a character of the content. `place` is the field, as a path into the content's JSON."""

    def __init__(self, character: str, place: str) -> None:
        super().__init__(character, place)
        self.character = character
        self.place = place

    def __str__(self) -> str:
        named = " ".join(f"U+{ord(letter):04X} {unicodedata.name(letter, '')}".strip() for letter in self.character)
        return f"{self.place}: the character {self.character!r} ({named}) cannot be printed; write it in another way"


@dataclass(frozen=True)
class RenderJob:
    """One page to draw: the values for the template, the JSON to attach, and the time the document claims, in s."""

    page: bytes
    credential: bytes
    timestamp: int


def render(job: RenderJob) -> bytes:
    """The PDF. Takes 70 to 200 ms of CPU; runs in the calling thread, so servers go through a `RenderPool`."""
    inputs = {"page": job.page.decode(), "credential": job.credential.decode()}
    try:
        pdf = _compiler().compile(
            format="pdf", sys_inputs=inputs, pdf_standards=["a-3a", "ua-1"], timestamp=job.timestamp
        )
    except typst.TypstError as why:
        raise _told(why, job) from None
    if not isinstance(pdf, bytes):
        raise CannotRender("typst answered with no document; is the template empty?")
    return pdf


class RenderPool:
    """Processes that only draw, warm from the start. Close it (or leave its `async with`) when the service ends.

    Each worker grows to about 320 MB and stays there. One that dies is replaced and its job drawn once more.
    """

    def __init__(self, *, processes: int = 1) -> None:
        self._processes = processes
        self._workers = self._spawn()

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().run_in_executor(self._workers, warm_up)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def render(self, job: RenderJob) -> bytes:
        """Draw in a worker; errors are those of `render`, and `CannotRender` when two workers died of one job."""
        loop = asyncio.get_running_loop()
        workers = self._workers
        try:
            return await loop.run_in_executor(workers, render, job)
        except BrokenProcessPool:
            if self._workers is workers:  # the first of those who waited replaces it
                self._workers = self._spawn()
        try:
            return await loop.run_in_executor(self._workers, render, job)
        except BrokenProcessPool:
            raise CannotRender("the rendering process died twice; is the machine out of memory?") from None

    def close(self) -> None:
        """End the workers; jobs not begun are dropped."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _spawn(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(max_workers=self._processes, mp_context=spawn, initializer=_begin)


def _begin() -> None:
    """In a worker: stay no longer than the service, also when that is killed, and be warm."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warm_up()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def warm_up() -> None:
    """Load the fonts and compile an empty page, so that the first family does not wait for it (about 0.1 s)."""
    _compiler()


def _compiler() -> typst.Compiler:
    compiler: typst.Compiler | None = getattr(_of_this_thread, "compiler", None)
    if compiler is None:
        folder = _folder(__package__ or "", "template")
        compiler = typst.Compiler(
            str(folder / "transcript.typ"), root=str(folder), font_paths=_fonts(), ignore_system_fonts=True
        )
        _of_this_thread.compiler = compiler
    return compiler


@cache
def _fonts() -> typst.Fonts:
    folders = [str(_folder(wheel, inside)) for wheel, inside in _FONT_WHEELS]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


def _folder(package: str, inside: str) -> Path:
    try:
        folder = resources.files(package)
    except ModuleNotFoundError:
        raise CannotRender(f"the font package {package} is not installed; install the locked requirements") from None
    found = Path(str(folder / inside if inside else folder))
    if not found.is_dir():
        raise CannotRender(f"{found} is not a folder; the package {package} must be installed unpacked")
    return found


def _told(why: typst.TypstError, job: RenderJob) -> Exception:
    """Find the field whose character could not be drawn; anything else is our own fault."""
    found = _MISSING_GLYPH.search(f"{why.message} {why.diagnostic}")
    if not found:
        return CannotRender(f"typst refuses the template: {why.message}")
    text = found.group(1)
    for place, value in strings_of(orjson.loads(job.page)):
        if text in value:
            return MissingGlyph(text, place)
    return MissingGlyph(text, "content")


def strings_of(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside JSON values, with its path."""
    if isinstance(value, str):
        yield place.removeprefix("."), value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings_of(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from strings_of(inner, f"{place}[{number}]")
