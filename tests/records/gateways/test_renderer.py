"""The drawn page: everything is on it in straight text, in every script, and nothing is drawn as an empty box."""

import io
import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pypdf
import pytest

from deploy.local.process import started_at
from services.chassis import clock
from services.records.domain.content import TranscriptContent
from services.records.domain.selection import select
from services.records.gateways.credential import SealFacts
from services.records.gateways.page import page
from services.records.gateways.renderer import CannotRender, MissingGlyph, RenderJob, RenderPool, render

ROOT = Path(__file__).parents[3]


def job(content: TranscriptContent, sealed: SealFacts, parts: set[str] | None = None) -> RenderJob:
    shown = orjson.dumps(page(select(content, parts), sealed))
    return RenderJob(shown, b'{"a": "credential"}', int(sealed.sealed_at.timestamp()))


def pages(pdf: bytes) -> list[str]:
    read = pypdf.PdfReader(io.BytesIO(pdf))
    return [re.sub(r"\s+", " ", each.extract_text()) for each in read.pages]


@pytest.fixture(scope="module")
def drawn(amelie: TranscriptContent, sealed: SealFacts) -> bytes:
    return render(job(amelie, sealed))


def test_every_credit_is_in_the_text_twice_as_legend_and_in_full(drawn: bytes, amelie: TranscriptContent):
    first, *rest = pages(drawn)
    for credit in amelie.credits:
        assert f"{credit.code} {credit.name}" in first
        assert f"{credit.code} {credit.name}" in " ".join(rest)


def test_every_competency_has_its_level_in_words(drawn: bytes, amelie: TranscriptContent):
    text = " ".join(pages(drawn))
    names = {level.id: level.name for level in amelie.framework.rubric}
    competency = amelie.credits[3].competencies[0]
    assert competency.level is not None
    assert f"{competency.name} {competency.standard} {names[competency.level]}" in text
    assert "not yet assessed" in text


@pytest.mark.parametrize(
    "name",
    [
        "Amélie Nguyễn-Østergård",
        "Анастасия Петрова",
        "Αικατερίνη Παπαδοπούλου",
        "欧阳晓明",
        "渡邉 さくら",
        "김민준",
        "Արամ Խաչատրյան",
    ],
)
def test_names_can_be_copied_out_of_the_page(drawn: bytes, name: str):
    assert name in pages(drawn)[0]


def test_right_to_left_names_are_there_letter_by_letter(drawn: bytes):
    """Readers of PDF put such letters in an order of their own; here it only matters that all are there."""
    text = pages(drawn)[0]
    for name in ("נועה", "محمد"):
        assert set(name) <= set(text)


def test_the_document_claims_both_standards_and_only_what_it_must(drawn: bytes):
    read = pypdf.PdfReader(io.BytesIO(drawn))
    metadata = read.root_object["/Metadata"]
    assert isinstance(metadata, pypdf.generic.StreamObject) and read.metadata is not None
    xmp = metadata.get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in xmp
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
    assert set(read.metadata) == {"/Title", "/Author", "/Creator", "/CreationDate", "/ModDate"}
    assert "Østergård" not in xmp
    assert dict(read.attachments) == {"credential.json": [b'{"a": "credential"}']}


def test_the_wheel_is_told_in_words_to_those_who_hear_the_page(drawn: bytes):
    heard = [node for node in structure(drawn) if node.get("/Alt")]
    assert any("A4 Models systems (advanced)" in str(node["/Alt"]) for node in heard)


def structure(pdf: bytes) -> list[pypdf.generic.DictionaryObject]:
    waiting: list[Any] = [pypdf.PdfReader(io.BytesIO(pdf)).root_object["/StructTreeRoot"]]
    seen = []
    while waiting:
        node = waiting.pop().get_object()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, pypdf.generic.DictionaryObject):
            seen.append(node)
            if "/K" in node:
                waiting.append(node["/K"])
    return seen


def test_a_partial_record_says_so_on_every_page(amelie: TranscriptContent, sealed: SealFacts):
    parts = {f"credit.{code}" for code in ("A1", "A2", "A3", "A4", "A5", "B1", "B2", "B3")}
    texts = pages(render(job(amelie, sealed, parts)))
    assert len(texts) > 1
    for text in texts:
        assert "Partial record — Left out of this copy" in text
        assert "the personal statement" in text


def test_a_whole_record_never_says_partial(drawn: bytes):
    assert "artial" not in " ".join(pages(drawn))


@pytest.mark.parametrize("count", [0, 1, 5, 60])
def test_any_number_of_credits_is_drawn_and_the_wheel_stays_on_the_first_page(
    amelie: TranscriptContent, sealed: SealFacts, count: int
):
    many = [
        credit.model_copy(update={"id": f"{credit.id}-{turn}", "evidence": ()})
        for turn in range(2)
        for credit in amelie.credits
    ]
    content = amelie.model_copy(update={"credits": tuple(many[:count])})
    text = pages(render(job(content, sealed)))[0]
    earned = sum(credit.status == "earned" for credit in content.credits)
    assert f"{earned} {'credits earned of' if count else 'no credits on this record yet'}" in text
    assert all(credit.name in text for credit in content.credits)


def test_text_is_never_read_as_markup(amelie: TranscriptContent, sealed: SealFacts):
    sly = '#import "@preview/x:1.0.0" *bold* $x$ [box] \\ `raw` <label>'
    content = amelie.model_copy(update={"personal_statement": sly, "credits": ()})
    assert sly.replace('"', "") in " ".join(pages(render(job(content, sealed)))).replace('"', "")


def test_a_character_that_no_font_has_is_named_with_its_field(amelie: TranscriptContent, sealed: SealFacts):
    content = amelie.model_copy(update={"notes": "written in cuneiform: \U00012000"})
    with pytest.raises(MissingGlyph) as caught:
        render(job(content, sealed))
    assert (caught.value.character, caught.value.place) == ("\U00012000", "notes[0]")
    assert "U+12000 CUNEIFORM SIGN A" in str(caught.value)


def test_a_page_that_lacks_a_value_is_our_own_fault_and_says_so(amelie: TranscriptContent, sealed: SealFacts):
    whole = job(amelie, sealed)
    broken = json.loads(whole.page)
    del broken["centre"]
    with pytest.raises(CannotRender, match="centre"):
        render(replace(whole, page=json.dumps(broken).encode()))


async def test_a_pool_draws_the_same_bytes_and_hands_errors_back(ximena: TranscriptContent, sealed: SealFacts):
    strange = ximena.model_copy(update={"notes": "\U00012000"})
    async with RenderPool() as pool:
        assert await pool.render(job(ximena, sealed)) == render(job(ximena, sealed))
        with pytest.raises(MissingGlyph, match=r"notes\[0\]"):
            await pool.render(job(strange, sealed))


@pytest.mark.fault
async def test_a_worker_that_is_killed_is_replaced_and_the_page_drawn(ximena: TranscriptContent, sealed: SealFacts):
    async with RenderPool() as pool:
        (worker,) = pool._workers._processes.values()
        worker.kill()
        assert await pool.render(job(ximena, sealed)) == render(job(ximena, sealed))


def test_no_worker_outlives_a_service_that_is_killed(tmp_path: Path) -> None:
    """Else each kill -9 would leave 320 MB behind."""
    service = tmp_path / "service.py"
    service.write_text(
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from services.records.gateways.renderer import RenderPool\n"
        "async def main():\n"
        "    async with RenderPool() as pool:\n"
        "        print(*pool._workers._processes, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, service], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        worker = int(running.stdout.readline())
        running.kill()
    deadline = clock.seconds() + 20
    while started_at(worker) is not None and clock.seconds() < deadline:
        time.sleep(0.05)
    assert started_at(worker) is None
