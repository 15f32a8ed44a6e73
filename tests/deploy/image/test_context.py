"""Which files go into the image."""

import ast
import subprocess
from pathlib import Path

import pytest

from deploy.image import context
from deploy.image.context import ROOT, allowed, files, lay, revision, version

MODULES = ("contracts", "services", "deploy")


def test_the_list_is_short_and_known():
    assert allowed() == (
        "LICENSE",
        "requirements.lock",
        "contracts",
        "services",
        "deploy/__init__.py",
        "deploy/backup",
        "deploy/mongodb",
        "deploy/selftest",
        "deploy/image/finish.py",
    )


def test_everything_else_is_ignored_first():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"


def test_no_test_no_demo_no_key_and_no_bytecode_goes_in():
    found = [*files()]
    assert Path("services/consent/app.py") in found
    assert Path("services/records/gateways/template/transcript.typ") in found
    assert Path("deploy/mongodb/roles.json") in found
    for path in found:
        assert not {"tests", "demo", "local", "cli", "__pycache__"} & set(path.parts), path
        assert path.suffix in {".py", ".json", ".html", ".txt", ".css", ".svg", ".typ", ".js", ".md", ".lock", ""}, path


def test_what_goes_in_asks_for_nothing_that_stays_out():
    inside = {*files()}
    for path in inside:
        if path.suffix == ".py" and path.name != "finish.py":
            for module in imports((ROOT / path).read_text()):
                if module.split(".")[0] in MODULES:
                    place = Path(*module.split("."))
                    assert place / "__init__.py" in inside or place.with_suffix(".py") in inside, f"{path}: {module}"


def imports(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_a_name_that_is_not_there_is_told(tmp_path):
    (tmp_path / ".dockerignore").write_text("*\n!gone\n")
    with pytest.raises(FileNotFoundError, match="gone"):
        list(files(tmp_path))


def clone(folder: Path) -> Path:
    (folder / ".dockerignore").write_text("*\n!services\n")
    (folder / "services" / "__pycache__").mkdir(parents=True)
    (folder / "services" / "one.py").write_text("ONE = 1\n")
    (folder / "services" / "__pycache__" / "one.pyc").write_bytes(b"")
    (folder / "deploy/image").mkdir(parents=True)
    (folder / "deploy/image/Dockerfile").write_text("FROM scratch\n")
    (folder / "secret.key").write_text("secret")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def test_only_what_is_let_through_is_laid_out_and_an_old_layout_is_gone(tmp_path):
    (tmp_path / "one").mkdir()
    root, laid = clone(tmp_path / "one"), tmp_path / "laid"
    laid.mkdir()
    (laid / "old").touch()
    lay(laid, root)
    assert [path.relative_to(laid) for path in laid.rglob("*") if path.is_file()] == [Path("services/one.py")]


def test_the_label_says_when_the_files_are_not_the_commits(tmp_path):
    root = clone(tmp_path)
    clean = revision(root)
    assert len(clean) == 40
    (root / "README").write_text("not of the image")
    assert revision(root) == clean
    (root / "services/two.py").write_text("TWO = 2\n")
    assert revision(root) == f"{clean}-dirty"


def test_outside_a_repository_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / ".dockerignore").write_text("*\n")
    assert revision(tmp_path) == ""


def test_the_version_is_the_projects():
    assert version() == "0.1.0"
    assert Path(__file__).parents[3] == context.ROOT
