"""The counter: delivery's HTTP app with one delivery that can be opened."""

from pathlib import Path

import pytest

from tests.delivery.desk import Counter


@pytest.fixture
async def counter(tmp_path: Path) -> Counter:
    return await Counter.make(tmp_path)
