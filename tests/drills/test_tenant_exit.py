"""The day a school leaves: it takes along what is its own, and can read and prove it without Placet."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from tests.drills.steps import typed
from tests.faults.place import STUDENTS, Place

pytestmark = pytest.mark.connected


async def test_a_school_takes_along_its_record_of_disclosures_and_every_sealed_transcript(
    place: Place, tmp_path: Path
) -> None:
    to = tmp_path / "export"
    words = ("tenant", "export", "--school", place.school_id, "--to", to, "--folder", place.house.folder)
    assert f"✓ {len(STUDENTS)} sealed transcripts" in await typed(*words)
    assert "0 problems" in await typed("audit", "prove", to / "ledger")
    told = json.loads((to / "tenant.json").read_text())
    assert {one["transcript_id"] for one in told["transcripts"]} == {
        one["transcript_id"] for one in place.setting.transcripts.values()
    }
    for one in told["transcripts"]:
        raw = (to / one["file"]).read_bytes()
        assert "sha256:" + hashlib.sha256(raw).hexdigest() == one["digest"]
        with zipfile.ZipFile(to / one["file"]) as package:
            assert {"credential.json", "transcript.pdf"} <= set(package.namelist())
    assert "never mixes with another" in await typed(*words, code=1)
