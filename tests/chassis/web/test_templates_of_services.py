"""What the shared layout asks of every service's templates: they compile, use parts and words that exist, and need no script."""

import re

import pytest

from services.chassis.web.pages import HERE, SERVICES, Pages

PAGES = [
    pytest.param(service.name, file.relative_to(service / "templates").as_posix(), id=f"{service.name}/{file.name}")
    for service in sorted(SERVICES.iterdir())
    for file in sorted((service / "templates").rglob("*.html"))
    # A letter's styles stand in the letter: mail programs read no style sheet.
    if "mail" not in file.parts
]
PARTS = set(re.findall(r"macro (\w+)\(", (HERE / "templates" / "parts.html").read_text("utf-8")))


@pytest.mark.parametrize(("service", "name"), PAGES)
def test_a_template_compiles_and_uses_what_there_is(service: str, name: str) -> None:
    pages = Pages(service)
    pages._environment.get_template(name)
    text = (SERVICES / service / "templates" / name).read_text("utf-8")
    assert set(re.findall(r"\bparts\.(\w+)\(", text)) <= PARTS
    assert [key for key in re.findall(r"""\bt\(\s*["']([\w.-]+)["']\s*[,)]""", text) if not pages.words.has(key)] == []


@pytest.mark.parametrize(("service", "name"), PAGES)
def test_a_template_has_nothing_the_policy_would_block(service: str, name: str) -> None:
    text = (SERVICES / service / "templates" / name).read_text("utf-8")
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|\|safe\b", text)
    assert not re.search(r'(src|href|action)="(https?:)?//', text)


def test_places_in_a_translation_are_those_of_the_original() -> None:
    for service in sorted({str(page.values[0]) for page in PAGES}):
        texts = Pages(service).words._texts
        for key, translated in texts["es"].items():
            assert set(re.findall(r"\{\w+\}", translated)) <= set(re.findall(r"\{\w+\}", texts["en"][key])), key
