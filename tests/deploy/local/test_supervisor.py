from deploy.local.supervisor import Attempts


def test_the_first_end_is_mended_soon_and_each_further_one_later():
    attempt, now, pauses = Attempts(), 100.0, list[float]()
    for _ in range(8):
        assert not attempt.due(now)
        assert attempt.not_before is not None
        pauses.append(attempt.not_before - now)
        now = attempt.not_before
        assert attempt.due(now)
        attempt.begun(now)
        now += 1
    assert pauses[:3] == [0.5, 1, 2]
    assert pauses[-1] == 15


def test_a_good_run_forgives():
    attempt = Attempts(ends=6, started=0.0)
    attempt.due(61.0)
    assert attempt.not_before == 61.5
