"""What is missing is said, and what failed too."""

import os
import sys

import pytest

from deploy.image.tools import NotMade, need, run


def test_a_missing_program_is_named_with_the_way_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "buildah").touch(mode=0o755)
    with pytest.raises(NotMade, match=r"missing: mmdebstrap\. On Debian: apt-get install .* mmdebstrap$"):
        need("mmdebstrap", "buildah")


def test_who_is_not_root_is_told(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotMade, match="root is needed"):
        need()


def test_a_program_answers_with_what_it_wrote():
    assert run([sys.executable, "-c", "print('here')"]) == "here\n"


def test_a_program_that_fails_is_told_with_its_last_lines():
    loud = "import sys; print(*range(100), sep='\\n'); sys.exit('no space left')"
    with pytest.raises(NotMade, match=r"failed with 1:\n(.|\n)*no space left") as told:
        run([sys.executable, "-c", loud])
    assert "\n1\n" not in str(told.value)
