"""One world a test."""

from pathlib import Path

import pytest

from tests.records.world import World


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return await World(tmp_path).open_school()
