"""Makes the two bases and the image, without an engine: mmdebstrap for file systems, buildah for images, umoci to unpack.

Invariants: everything lies in one folder, storage included, and nothing of the machine's own images is touched; the
same bases and the same files give the same digest (no times, no caches: each build is made from the beginning).
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.image import context
from deploy.image.tools import need, run

SUITE = "bookworm"
"""The Debian whose python3 is 3.11."""
_BUILD_PACKAGES = "ca-certificates,python3.11,python3.11-venv"
_RUN_PACKAGES = "base-files,netbase,tzdata,python3.11-minimal,libpython3.11-stdlib,libssl3,libgcc-s1,libstdc++6"
# Extracted, never installed: so there is no list of packages, and scanners look for one where distroless bases have it.
_LIST_PACKAGES = (
    'mkdir -p "$1/var/lib/dpkg/status.d"; for deb in "$1"/var/cache/apt/archives/*.deb; do '
    'dpkg-deb --field "$deb" > "$1/var/lib/dpkg/status.d/$(dpkg-deb --field "$deb" Package)"; done'
)
# Packages bring each other along. No program stays but Python, and nothing that is for people at a terminal.
_KEEP_PYTHON_ALONE = (
    'find "$1/bin" "$1/sbin" "$1/usr/bin" "$1/usr/sbin" ! -type d ! -name python3.11 -delete; '
    'cd "$1/usr/share" && rm -rf bash-completion debconf info lintian locale man menu perl5 pixmaps polkit-1'
)
# The names of the machine that built it.
_FORGET_THE_MACHINE = 'rm -f "$1/etc/resolv.conf" "$1/etc/hostname" "$1/etc/hosts"'
_CERTIFICATES = "/etc/ssl/certs"


@dataclass(frozen=True, slots=True)
class Bases:
    """What the image is built with, and what it runs on: names that buildah can find or pull."""

    build: str
    run: str
    own: bool = False
    """Made here, so that nothing is pulled."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides a digest, beside the files laid out."""

    bases: Bases
    version: str
    revision: str
    source: str
    """Where the code can be had, for the label."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folder in which images are made."""

    folder: Path

    def buildah(self, *words: str | Path) -> str:
        """Run buildah on this folder's own storage."""
        driver = os.environ.get("STORAGE_DRIVER", "overlay")
        places = ("--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", driver)
        return run(["buildah", *places, *words])

    def make_bases(self) -> Bases:
        """Make both bases out of Debian packages (about a minute)."""
        need("mmdebstrap", "buildah")
        self.folder.mkdir(parents=True, exist_ok=True)
        build = self._base("build", "--variant=essential", f"--include={_BUILD_PACKAGES}")
        hooks = [f"--extract-hook={words}" for words in (_LIST_PACKAGES, _KEEP_PYTHON_ALONE, _FORGET_THE_MACHINE)]
        running = self._base("run", "--variant=extract", f"--include={_RUN_PACKAGES}", *hooks)
        return Bases(build, running, own=True)

    def _base(self, name: str, *words: str) -> str:
        image, archive = f"localhost/placet-{name}-base:{SUITE}", self.folder / f"{name}-base.tar"
        run(["mmdebstrap", "--quiet", "--mode=root", *words, SUITE, archive])
        scratch = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", scratch, archive, "/")
        self.buildah("commit", "--quiet", "--timestamp", "0", "--rm", scratch, image)
        archive.unlink()
        return image

    def plan(self, bases: Bases, *, source: str = "") -> Plan:
        """Lay out the files of a build and settle what is said of them, so that it can be repeated."""
        context.lay(self.folder / "context")
        shutil.rmtree(self.folder / "oci", ignore_errors=True)
        return Plan(bases, context.version(), context.revision(), source)

    def build(self, plan: Plan, name: str = "placet") -> str:
        """Build the image, which `unpack` can unpack then, and return its digest."""
        need("buildah")
        bases = plan.bases
        facts = {
            "BUILD_BASE": bases.build,
            "RUN_BASE": bases.run,
            "VERSION": plan.version,
            "REVISION": plan.revision,
            "SOURCE": plan.source,
        }
        words = [f"--build-arg={key}={value}" for key, value in facts.items()]
        # Wheels come over the machine's own network, by hash.
        words += [f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro"]
        words += ["--pull-never"] if bases.own else ["--pull"]
        words += ["--isolation=chroot", "--network=host", "--format=oci", "--timestamp=0", "--layers", "--no-cache"]
        image = f"localhost/{name}"
        file = context.ROOT / "deploy/image/Dockerfile"
        self.buildah("bud", *words, "--file", file, "--tag", image, self.folder / "context")
        layout, digest = self.folder / "oci", self.folder / "digest"
        self.buildah("push", "--quiet", "--digestfile", digest, image, f"oci:{layout}:{name}")
        self._tidy(image)
        return digest.read_text().strip()

    def _tidy(self, image: str) -> None:
        """Keep the bases alone: what was pushed lies in the layout, and buildah leaves mounted what a build looked into."""
        self.buildah("rm", "--all")
        self.buildah("rmi", "--force", image)
        self.buildah("rmi", "--prune", "--force")

    def unpack(self) -> Path:
        """Unpack the image into an OCI bundle (its root, and the settings that its labels and words make), and return it."""
        need("umoci")
        bundle = self.folder / "bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        run(["umoci", "unpack", "--image", f"{self.folder / 'oci'}:placet", bundle])
        return bundle
