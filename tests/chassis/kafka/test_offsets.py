"""Many commits become one; one that fails is told, kept when it can still be made, and is nobody's error."""

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaTimeoutError

from services.chassis.kafka import offsets as module
from services.chassis.kafka.offsets import Offsets

FIRST, SECOND = TopicPartition("consent.requests", 0), TopicPartition("consent.requests", 1)


class Broker:
    """Notes what is committed; raises what it is told to, once each."""

    def __init__(self, *errors: Exception) -> None:
        self.commits: list[Mapping[TopicPartition, int]] = []
        self.errors = list(errors)

    async def commit(self, behind: Mapping[TopicPartition, int]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.commits.append(dict(behind))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATER_SECONDS", 0.02)


async def test_what_ends_close_together_is_committed_together() -> None:
    broker = Broker()
    offsets = Offsets(broker.commit)
    for number in range(1, 6):
        offsets.ended({FIRST: number})
    offsets.ended({SECOND: 9})
    await asyncio.sleep(0.1)
    assert broker.commits == [{FIRST: 5, SECOND: 9}]


async def test_what_ends_while_a_commit_is_under_way_is_committed_though_nothing_comes_after_it() -> None:
    commits: list[Mapping[TopicPartition, int]] = []

    async def slow(behind: Mapping[TopicPartition, int]) -> None:
        if not commits:
            offsets.ended({FIRST: 2, SECOND: 1})
        commits.append(dict(behind))

    offsets = Offsets(slow)
    offsets.ended({FIRST: 1})
    await asyncio.sleep(0.1)
    assert commits == [{FIRST: 1}, {FIRST: 2, SECOND: 1}]


async def test_a_commit_that_failed_is_made_again_by_itself() -> None:
    broker = Broker(KafkaTimeoutError())
    offsets = Offsets(broker.commit)
    offsets.ended({FIRST: 3})
    await asyncio.sleep(0.1)
    assert broker.commits == [{FIRST: 3}]


async def test_closing_commits_at_once() -> None:
    broker = Broker()
    offsets = Offsets(broker.commit)
    offsets.ended({FIRST: 3})
    await offsets.close()
    assert broker.commits == [{FIRST: 3}]


async def test_a_commit_that_ran_out_of_time_goes_with_the_next() -> None:
    broker = Broker(KafkaTimeoutError())
    offsets = Offsets(broker.commit)
    offsets.ended({FIRST: 3, SECOND: 1})
    await offsets.flush()
    offsets.ended({FIRST: 7})
    await offsets.close()
    assert broker.commits == [{FIRST: 7, SECOND: 1}]


@pytest.mark.parametrize("error", [CommitFailedError(), IllegalStateError()], ids=lambda error: type(error).__name__)
async def test_what_belongs_to_another_member_now_is_dropped(error: Exception) -> None:
    broker = Broker(error)
    offsets = Offsets(broker.commit)
    offsets.ended({FIRST: 3})
    await offsets.flush()
    await offsets.close()
    assert broker.commits == []


async def test_partitions_that_have_gone_are_forgotten() -> None:
    broker = Broker()
    offsets = Offsets(broker.commit)
    offsets.ended({FIRST: 3})
    offsets.forget()
    await offsets.close()
    assert broker.commits == []
