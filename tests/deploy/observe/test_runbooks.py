"""Each alert has its page, each page its alert; a page says what it must, and the commands on it are there."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

from contracts.topics import SERVICES
from deploy.cli.__main__ import app
from deploy.local.house import ROOT
from deploy.observe.alerts import EVERYTHING
from deploy.observe.dashboards import BOARDS
from deploy.observe.rules import RUNBOOKS

FOLDER = ROOT / RUNBOOKS
ALERTS = {alert.name for group in EVERYTHING for alert in group.alerts}
PAGES = sorted(FOLDER.glob("*.md"))
PLANNED = {page.stem for page in PAGES if page.stem[0].islower()}
"""Pages of what an operator does without being called: they are reached from README.md."""
PARTS = ["What it means", "How bad", "What to do", "It is over", "Never"]
PROCESSES = {f"{service}-{role}" for service in SERVICES for role in ("api", "worker", "relay")}
CUSTOM = {"self-test", "backup-data", "backup-keys", "backup-packages"}
"""Components that are no process: Jobs of the chart's."""
KUBECTL = {"get", "logs", "describe", "exec", "port-forward", "rollout", "scale", "top", "create", "apply", "annotate"}
OTHERS = {"export", "curl", "mongosh", "openssl", "base64", "helm"}
"""Programs that are nobody's of ours."""
TREE = typer.main.get_command(app)


def commands(text: str) -> Iterator[list[str]]:
    """What stands in the blocks of shell, word by word; a pipe begins another command."""
    for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
        for line in block.splitlines():
            inner = re.findall(r"\$\(([^|)]*)", line)
            for part in (*inner, *line.split(" | ")):
                words = shlex.split(part, comments=True, posix=True) if part.count('"') % 2 == 0 else part.split()
                if words:
                    yield words


def wrong_with(words: list[str]) -> str:
    """What of a command is not there; empty when all is."""
    program = words[0]
    if program == "placet":
        return wrong_with_placet(words[1:])
    if program == "kubectl":
        return wrong_with_kubectl(words[1:])
    if program == "python":
        return "" if words[1] == "-m" and find_spec(words[2]) else f"no module {words[1:3]}"
    return "" if program in OTHERS else f"no program {program}"


def wrong_with_placet(words: list[str]) -> str:
    # Typer brings its own click along, so what these are is asked of what they have.
    command: Any = TREE
    rest = [*words]
    while hasattr(command, "commands"):
        found = command.commands.get(rest[0]) if rest else None
        if found is None:
            return f"placet has no {' '.join(words)}"
        command, rest = found, rest[1:]
    options = {name: one for one in command.params if one.param_type_name == "option" for name in one.opts}
    given = [word for word in rest if word.startswith("--")]
    if unknown := [word for word in given if word not in options]:
        return f"placet {command.name} has no {unknown}"
    needed = [one for one in command.params if one.required]
    if missing := [one.name for one in needed if one.param_type_name == "option" and not set(one.opts) & set(given)]:
        return f"placet {command.name} lacks {missing}"
    plain = len(rest) - sum(1 if options[word].is_flag else 2 for word in given)
    wanted = sum(one.param_type_name == "argument" for one in command.params)
    return "" if plain == wanted else f"placet {command.name} takes {wanted} words, not {plain}"


def wrong_with_kubectl(words: list[str]) -> str:
    if words[:4] == ["-n", "placet", "delete", "secret"] and len(words) == 5:
        return ""  # Strimzi's: it draws another
    if words[:2] != ["-n", "placet"] or words[2] not in KUBECTL:
        return f"kubectl {words[:3]} is not one that a page should ask for"
    for word in words:
        component = re.search(r"app\.kubernetes\.io/component=(.*)", word)
        name = (
            component[1] if component else re.sub("^deploy/placet-", "", word) if word.startswith("deploy/") else None
        )
        if name is not None and name not in PROCESSES | CUSTOM:
            return f"there is no process {name}"
    return ""


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    assert {page.stem for page in PAGES} == ALERTS | PLANNED | {"README"}


def test_every_other_page_is_reached_from_the_first_and_every_link_leads_somewhere() -> None:
    assert set(re.findall(r"\]\(([a-z-]+)\.md\)", (FOLDER / "README.md").read_text())) == PLANNED
    for page in PAGES:
        assert [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if not (FOLDER / link).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in PLANNED], ids=lambda page: page.stem)
def test_a_page_of_something_planned_ends_with_how_one_knows_and_what_never_to_do(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE)[-2:] == ["It is over", "Never"]
    assert list(commands(text))


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in ALERTS], ids=lambda page: page.stem)
def test_a_page_says_what_whoever_is_called_needs(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == PARTS
    severities = {a.severity for group in EVERYTHING for a in group.alerts if a.name == page.stem}
    bad = text.partition("## How bad\n")[2].partition("##")[0].lower()
    assert all(severity in bad for severity in severities)
    assert list(commands(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_on_a_page_are_there(page: Path) -> None:
    assert [wrong for words in commands(page.read_text()) if (wrong := wrong_with(words))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    # Other alerts, panels of the dashboards in italics, files of the repository in backticks.
    assert set(re.findall(r"Placet[A-Z]\w+", text)) <= ALERTS
    panels = {panel["title"] for board in BOARDS.values() for panel in board()["panels"]}
    shown = panels | {"beside", "Web", "placet:backup:age_seconds"}
    assert set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text)) <= shown
    assert all((ROOT / path).exists() for path in re.findall(r"`(deploy/[\w./-]+)`", text))


@pytest.mark.parametrize(
    "line",
    [
        "placet asides list",
        "placet aside replay",
        "placet aside list --everything",
        "placet aside dismiss x:1:2",
        "placet relay status now",
        "kubectl -n placet logs deploy/placet-consent-relais",
        "kubectl -n placet logs -l app.kubernetes.io/component=consent",
        "kubectl -n placet delete pvc --all",
        "kubectl get pods",
        "python -m deploy.helm.secret x",
        "rm -rf /",
    ],
)
def test_a_wrong_command_is_found_out(line: str) -> None:
    assert [wrong_with(words) for words in commands(f"```sh\n{line}\n```")] != [""]
