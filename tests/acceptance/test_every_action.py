"""Whatever can be done, can be done from the command line and from Python."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import twinrow.actions
import twinrow.cli
from twinrow.workspace import Workspace

PARTS = {
    "save_mappings": "a part of `apply_mappings` and `setup_connection`",
    "names_in_order": "a part of `synchronize_all` and `make_plan`",
    "round_result": "what `synchronize_all` and `apply_plan` return",
    "run_named": "a part of `synchronize`, and of what is done with coupled data errors",
    "run_result": "what `synchronize` and `show_run` return",
    "check_writable": "a part of everything that writes outside runs",
    "unavailable_fields": "a part of what is told after a synchronization, and of `check_connection`",
}
"""Functions of actions that are not for people by themselves."""


def actions() -> dict[str, str]:
    """Return the public functions that take the context first, with their modules."""
    found = {}
    for module in pkgutil.iter_modules(twinrow.actions.__path__, "twinrow.actions."):
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            parameters = list(inspect.signature(function).parameters.values())
            takes_context = bool(parameters) and parameters[0].annotation == "ActionContext"
            if function.__module__ == module.name and not name.startswith("_") and takes_context and name not in PARTS:
                found[name] = module.name
    return found


def called(package: Path) -> set[str]:
    """Return the names of all functions and methods that are called in the files of a package."""
    names = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                names.add(node.func.attr)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names.add(node.func.id)
    return names


def test_every_action_is_a_method_of_the_workspace() -> None:
    assert len(actions()) > 20
    missing = {name for name in actions() if not callable(getattr(Workspace, name, None))}
    assert missing == set()


def test_every_action_is_reachable_from_the_command_line() -> None:
    # `synchronize_all` runs one mapping as well as all of them; `synchronize` runs named records.
    missing = set(actions()) - called(Path(twinrow.cli.__file__).parent)
    assert missing == set()


def test_the_exceptions_are_there() -> None:
    modules = [
        importlib.import_module(m.name) for m in pkgutil.iter_modules(twinrow.actions.__path__, "twinrow.actions.")
    ]
    assert all(any(hasattr(module, name) for module in modules) for name in PARTS)
