"""The list of promises: complete, honest about what has no test, and failing when a kept one loses its last."""

from pathlib import Path

from typer.testing import CliRunner

from deploy.cli.__main__ import app
from deploy.cli.promises import KEPT, PROMISES, TESTS, find_tests, lost_promises


def test_all_twenty_eight_promises_are_listed_once() -> None:
    assert [promise.number for promise in PROMISES] == list(range(1, 29))


def test_every_promise_that_is_said_to_be_kept_has_a_test_and_no_test_names_an_unknown_one() -> None:
    shown = find_tests(TESTS)
    assert lost_promises(shown) == []
    assert set(shown) <= {promise.number for promise in PROMISES}


def test_a_promise_that_a_test_shows_is_counted_as_kept() -> None:
    assert set(find_tests(TESTS)) == KEPT, "add it to KEPT, so that it can't be lost unseen"


def test_tests_are_found_by_name_in_classes_and_functions(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "async def test_p3_a(): ...\nclass C:\n    def test_p14_b(self): ...\ndef p3(): ...\n"
    )
    found = find_tests(tmp_path)
    assert {number: [test.name for test in tests] for number, tests in found.items()} == {
        3: ["test_p3_a"],
        14: ["test_p14_b"],
    }


def test_the_check_fails_when_a_kept_promise_loses_its_tests(tmp_path: Path) -> None:
    assert lost_promises(find_tests(tmp_path)) == sorted(KEPT)


def test_the_command_says_not_yet_where_nothing_shows_a_promise() -> None:
    said = CliRunner().invoke(app, ["promises", "--check"], env={"COLUMNS": "160"})
    assert said.exit_code == 0, said.output
    assert "not yet" in said.output
    assert "promises are shown by tests" in said.output
