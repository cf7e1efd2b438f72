"""The engine works on columns: where it goes through a frame row by row, it is named here, with the reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "twinrow"
PACKAGES = ("engine", "batch")
BY_ROW = frozenset({"iter_rows", "iter_slices", "map_elements", "map_rows", "rows", "rows_by_key", "to_dicts"})

ALLOWED = {
    (
        "batch/inserts.py",
        "inserts",
    ): "values of many rows become the parameters of one statement, as the driver takes them",
    ("engine/changes.py", "named_batches"): "the records that a person has named",
    ("engine/likeness.py", "likenesses"): "creates without an answer, each held against all candidates at once",
    (
        "engine/passes.py",
        "PassRun._run",
    ): "two columns become a dictionary: records that failed before and were tried again",
    ("engine/match/given.py", "check_given"): "portions of some thousand rows, not rows",
    ("engine/settle.py", "count_outcomes"): "a row for each outcome or reason, not for each record",
    (
        "engine/stages.py",
        "Stages._work",
    ): "two columns become a dictionary: the versions of what a plan has just written",
    ("engine/uncouple.py", "Uncoupling.clear_left_behind"): "portions of some thousand rows, not rows",
    ("engine/undo.py", "Undo._refuse"): "at most a thousand, to be told to a person",
    ("engine/undo.py", "Undo._tell_fields"): "at most a thousand, to be told to a person",
    ("engine/undo.py", "Undo._tell_records"): "at most a thousand, to be told to a person",
    ("engine/verify.py", "Verified.count"): "one row for each kind of difference",
}


class ByRow(ast.NodeVisitor):
    """Collects where a frame is gone through row by row: the function, by qualified name, and the line."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int]] = []
        self._place: list[str] = []

    def _visit_named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._place.append(node.name)
        self.generic_visit(node)
        self._place.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_named  # noqa: N815

    def visit_Call(self, node: ast.Call) -> None:
        # `rows` is also what some attributes are called.
        if isinstance(node.func, ast.Attribute) and node.func.attr == "rows":
            self._note(node)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in BY_ROW and node.attr != "rows":
            self._note(node)
        self.generic_visit(node)

    def _note(self, node: ast.expr) -> None:
        self.found.append((".".join(self._place) or "<module>", node.lineno))


def calls_by_row(text: str) -> list[tuple[str, int]]:
    """Return the places in a module where a frame is gone through row by row."""
    visitor = ByRow()
    visitor.visit(ast.parse(text))
    return visitor.found


def found_in_packages() -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for package in PACKAGES:
        for path in sorted((SOURCE / package).rglob("*.py")):
            for function, line in calls_by_row(path.read_text(encoding="utf-8")):
                found.setdefault((path.relative_to(SOURCE).as_posix(), function), []).append(line)
    return found


def test_rows_are_gone_through_only_where_it_is_allowed() -> None:
    unexpected = [
        f"{file}:{line} in {function}"
        for (file, function), lines in found_in_packages().items()
        if (file, function) not in ALLOWED
        for line in lines
    ]
    assert not unexpected, "Work on columns, or name the place and the reason in ALLOWED."


def test_what_is_allowed_is_there() -> None:
    assert ALLOWED.keys() <= found_in_packages().keys(), "Take what is gone out of ALLOWED."
    assert all(ALLOWED.values())


@pytest.mark.parametrize(
    "text",
    [
        "def f(frame):\n    for row in frame.iter_rows(named=True):\n        print(row)",
        "def f(frame):\n    return [g(row) for row in frame.select('a').rows()]",
        "def f(frame):\n    return frame.with_columns(pl.col('a').map_elements(g))",
        "def f(frame):\n    return dict(zip(frame.columns, frame.to_dicts()))",
        "def f(frame):\n    go = frame.iter_slices\n    return go(10)",
        "def f(frame):\n    return frame.filter(x).map_rows(lambda row: row)",
    ],
)
def test_a_loop_over_rows_is_noticed(text: str) -> None:
    assert [function for function, _ in calls_by_row(text)] == ["f"]


def test_attributes_that_are_only_called_alike_are_not() -> None:
    assert calls_by_row("def f(recovered):\n    return len(recovered.rows)") == []


def test_the_place_is_named_with_its_class() -> None:
    text = "class A:\n    def f(self, frame):\n        def g():\n            return frame.rows()\n        return g"
    assert calls_by_row(text) == [("A.f.g", 4)]
