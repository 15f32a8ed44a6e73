import os
import signal
import sys

import pytest

from deploy.local.process import Child, NotStarted, end, is_alive, started_at, write_pid

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
async def child(tmp_path):
    made = Child("thing", folder=tmp_path, log=tmp_path / "thing.log")
    yield made
    await made.kill()


async def written(child, word):
    while word not in child.tail():
        await child.ended(0.02)


async def test_a_stopped_child_leaves_no_process_and_no_pid_file(child):
    await child.start(SLEEP)
    pid = child.pid
    assert is_alive(child.pid_file)
    await child.stop()
    assert started_at(pid) is None
    assert not child.pid_file.exists()


async def test_a_child_that_does_not_listen_is_killed_after_its_grace(child):
    await child.start(STUBBORN)
    await written(child, "deaf")
    pid = child.pid
    await child.stop(grace=0.1)
    assert started_at(pid) is None


async def test_what_a_killed_house_left_is_ended_by_the_next(child, tmp_path):
    await child.start(SLEEP)
    next_one = Child("thing", folder=tmp_path, log=tmp_path / "thing.log")
    await next_one.stop(grace=1)
    assert await child.ended(2) is not None


async def test_another_process_that_got_the_same_pid_is_left_alone(tmp_path):
    pid_file = tmp_path / "x.pid"
    pid_file.write_text(f"{os.getpid()} 1\n")
    assert not is_alive(pid_file)
    await end(pid_file, grace=0)
    assert not pid_file.exists()


def test_this_very_process_is_alive(tmp_path):
    write_pid(tmp_path / "me.pid", os.getpid())
    assert is_alive(tmp_path / "me.pid")


async def test_a_failure_shows_the_last_lines_of_this_run_only(child):
    await child.start([sys.executable, "-c", "print('first run')"])
    await child.ended(5)
    await child.start([sys.executable, "-c", "import sys; sys.exit('the disk is on fire')"])
    assert await child.ended(5) == 1
    told = str(child.failure("it ended"))
    assert "the disk is on fire" in told
    assert "first run" not in told
    assert str(child.log) in told


async def test_a_running_child_is_not_started_twice(child):
    await child.start(SLEEP)
    with pytest.raises(NotStarted, match="already running"):
        await child.start(SLEEP)


async def test_a_killed_child_ended_by_a_signal(child):
    await child.start(SLEEP)
    os.kill(child.pid, signal.SIGKILL)
    assert await child.ended(5) == -signal.SIGKILL
