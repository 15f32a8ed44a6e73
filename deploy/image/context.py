"""What goes into a build: the files that `.dockerignore` lets through, and what is said of them on the label."""

import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def allowed(root: Path = ROOT) -> tuple[str, ...]:
    """The files and folders that `.dockerignore` excepts from its `*`."""
    lines = (root / ".dockerignore").read_text().splitlines()
    return tuple(line[1:] for line in lines if line.startswith("!"))


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every file of the build, relative to `root`, in order. Raises FileNotFoundError where the list names nothing."""
    for name in allowed(root):
        place = root / name
        if not place.exists():
            raise FileNotFoundError(f".dockerignore excepts {name}, which is not there")
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root)


def lay(folder: Path, root: Path = ROOT) -> None:
    """Copy the files of the build into `folder`: two builds of it are builds of the same, whoever writes meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in files(root):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)


def version(root: Path = ROOT) -> str:
    """The project's version."""
    return str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])


def revision(root: Path = ROOT) -> str:
    """The commit, with `-dirty` when what goes into the image is not what was committed; empty outside a repository."""
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", *allowed(root), "deploy/image/Dockerfile")
    return f"{head}-dirty" if head and changed else head


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
