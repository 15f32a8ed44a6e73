"""Every failpoint is met in every service that can come to it: a table made from the code and from the fault tests.

A service comes to `consumer.handled` when it reads a topic, to `relay.*` when it writes one, to `duty.*` when it has work
on the outside world in three beats. What is hit is read from the tests in `tests/faults`: which processes they arm, at
which points.
"""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from contracts.topics import SERVICES, heard_by, written_by
from services.chassis.failpoint import NAMES

ROOT = Path(__file__).parents[2]
Hit = tuple[str, str]
"""A service and a point."""


def possible() -> set[Hit]:
    """Where a process can die."""
    found: set[Hit] = set()
    for service in SERVICES:
        found |= {(service, point) for point in NAMES if point.startswith("work.")}
        if written_by(service):
            found |= {(service, point) for point in NAMES if point.startswith("relay.")}
        if heard_by(service):
            found |= {(service, point) for point in NAMES if point.startswith("consumer.")}
        if any(map(_has_duty, (ROOT / "services" / service).rglob("*.py"))):
            found |= {(service, point) for point in NAMES if point.startswith("duty.")}
    return found


def _has_duty(path: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Name) and call.func.id == "Duty" for call in calls)


def hits() -> set[Hit]:
    """What the fault tests arm."""
    found: set[Hit] = set()
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        module = importlib.import_module(f"tests.faults.{path.stem}")
        functions: dict[str, ast.AST] = {
            one.name: one
            for one in ast.walk(ast.parse(path.read_text()))
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for name in functions:
            if name.startswith("test_"):
                parts = [functions[one] for one in _reached(name, functions)]
                processes = {process for part in parts for process in _armed(part)}
                points = {point for part in parts for point in _points(part, module)}
                found |= {(process.split("-")[0], point) for process in processes for point in points}
    return found


def _reached(name: str, functions: dict[str, ast.AST]) -> set[str]:
    """The function and the helpers of its module that it calls."""
    reached, waiting = set[str](), {name}
    while waiting:
        reached |= waiting
        called = {
            node.func.id
            for one in waiting
            for node in ast.walk(functions[one])
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        waiting = {one for one in called if one in functions} - reached
    return reached


def _armed(function: ast.AST) -> Iterator[str]:
    """The processes that are named where something is armed."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _name(node.func) == "arm":
            for word in node.args:
                if isinstance(word, ast.Constant) and isinstance(word.value, str) and word.value not in NAMES:
                    yield word.value


def _points(function: ast.AST, module: ModuleType) -> Iterator[str]:
    """The points that are named, as words or by a constant of the module."""
    for node in ast.walk(function):
        if isinstance(node, ast.Constant) and node.value in NAMES:
            yield node.value
        elif isinstance(node, ast.Name) and node.id.isupper():
            named = getattr(module, node.id, None)
            words = (named,) if isinstance(named, str) else named if isinstance(named, tuple) else ()
            yield from (word for word in words if word in NAMES)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_every_point_of_every_service_is_hit_by_a_fault() -> None:
    wanted, hit = possible(), hits()
    for point in sorted(NAMES):
        told = ["hit" if (one, point) in hit else "-" if (one, point) not in wanted else "NEVER" for one in SERVICES]
        print(f"{point:18}", *(f"{word:9}" for word in told))
    assert not wanted - hit
    assert {point for _, point in wanted} == NAMES


def test_a_point_that_nobody_arms_is_missed() -> None:
    assert ("identity", "consumer.handled") not in possible()
    assert ("consent", "duty.acted") not in possible()
    assert ("notify", "duty.acted") in possible()
    assert ("identity", "duty.acted") not in hits()
