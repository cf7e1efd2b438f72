"""YAML as plain values that know on which line they stand.

A **path** names a value by the keys and positions that lead to it: `("mappings", 0, "name")`. Keys are always texts, as they
are written; numbers with a point are decimals, so that nothing is rounded; dates and the like stay texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_TEXTS = ("str", "timestamp", "value", "merge")
_LEADING_ZERO = re.compile(r"[-+]?0\d")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path (or at a line, where there is no value yet)."""

    path: Path
    message: str
    remedy: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a text holds: values, the line of each path (counted from 1), and what is wrong with it as YAML."""

    value: Any
    lines: Mapping[Path, int]
    findings: tuple[Finding, ...]

    def line(self, path: Path) -> int | None:
        """Return the line of a path, or of the nearest value around it that is there."""
        for length in range(len(path), -1, -1):
            found = self.lines.get(path[:length])
            if found is not None:
                return found
        return None


def read_yaml(text: str) -> Content:
    """Read a YAML text. It never raises: what is wrong stands in the findings."""
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        finding = Finding(
            (),
            f"This is not YAML: {reason}.",
            "Look at the indentation (blanks, no tabs), the colons and the quotes.",
            line=None if mark is None else mark.line + 1,
        )
        return Content(None, {}, (finding,))
    except YAMLError as error:
        return Content(None, {}, (Finding((), f"This is not YAML: {str(error).splitlines()[0]}."),))
    reader = _Reader()
    value = None if root is None else reader.value(root, ())
    return Content(value, reader.lines, tuple(reader.findings))


@dataclass(slots=True)
class _Reader:
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    around: list[Node] = field(default_factory=list)

    def value(self, node: Node, path: Path) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if any(node is other for other in self.around):
            return self.refuse(path, "A value contains itself.", "Write it out instead of using an alias.")
        self.around.append(node)
        try:
            if isinstance(node, MappingNode):
                return self.keys(node, path)
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, ScalarNode)  # noqa: S101
            return self.scalar(node, path)
        finally:
            self.around.pop()

    def keys(self, node: MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.findings.append(Finding(path, "A key must be a plain word or text.", line=line))
                continue
            key = str(key_node.value)
            if key in values:
                first = self.lines[(*path, key)]
                message = f"The key {key!r} stands here twice, first in line {first}."
                self.findings.append(Finding((*path, key), message, "Leave one of them out.", line=line))
                continue
            self.lines[(*path, key)] = line
            values[key] = self.value(value_node, (*path, key))
        return values

    def scalar(self, node: ScalarNode, path: Path) -> Any:
        text = str(node.value)
        match str(node.tag).removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                if _LEADING_ZERO.match(text):
                    return self.refuse(path, f"{text} would be read as a number.", f"Write it in quotes: '{text}'.")
                return int(text.replace("_", ""), 0)
            case "float":
                if "inf" in text.lower() or "nan" in text.lower():
                    return self.refuse(path, f"{text} is no number that a field can hold.")
                return Decimal(text.replace("_", ""))
            case kind if kind in _TEXTS:
                return text
            case tag:
                return self.refuse(path, f"Mapping files have no tags such as {tag}.", "Write the value itself.")

    def refuse(self, path: Path, message: str, remedy: str = "") -> None:
        self.findings.append(Finding(path, message, remedy))
