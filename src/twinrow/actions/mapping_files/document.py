"""A mapping file that was read: what it says, and where it says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from twinrow.actions.mapping_files.explanation import validate
from twinrow.actions.mapping_files.nodes import Content, Finding, Path, read_yaml
from twinrow.model.errors import MappingProblem, MappingProblems
from twinrow.model.mapping import MappingFile


@dataclass(frozen=True, slots=True)
class MappingDocument:
    """A mapping file without mistakes in itself; whether it fits the systems, `actions.mapping_check` says.

    `name` is how the file was called.
    """

    name: str
    content: MappingFile
    _source: Content

    def place(self, problem: MappingProblem) -> MappingProblem:
        """Return the problem with file and line, where it concerns a mapping of this file; else as it is.

        Problems name a mapping, and as field the key of a row (`local=integration`), a key of the mapping, or
        `templates CODE`; or no mapping, and `transformation rule CODE`.
        """
        codes = [f"transformation rule {rule.code}" for rule in self.content.transformation_rules]
        if not problem.file and not problem.mapping and problem.field in codes:
            place: Path = ("transformation_rules", codes.index(problem.field))
            return replace(problem, file=self.name, line=self._source.line(place))
        names = [mapping.name for mapping in self.content.mappings]
        if problem.file or problem.mapping not in names:
            return problem
        path: Path = ("mappings", names.index(problem.mapping))
        return replace(problem, file=self.name, line=self._source.line((*path, *self._inner(path, problem.field))))

    def _inner(self, path: Path, field: str) -> Path:
        mapping = self.content.mappings[int(path[1])]
        for index, row in enumerate(mapping.fields):
            if row.key == field:
                return ("fields", index)
        for index, template in enumerate(mapping.templates):
            if f"templates {template.code}" == field:
                return ("templates", index)
        return (field,)


def read_mapping_text(text: str, name: str = "mappings.yaml") -> MappingDocument:
    """Read the text of a mapping file. Raises `MappingProblems` with everything that is wrong with it."""
    source = read_yaml(text)
    content, findings = None, list(source.findings)
    if source.value is not None or not findings:
        content, others = validate(source.value)
        silent = {finding.path for finding in findings}
        findings += [finding for finding in others if finding.path not in silent]
    if content is None or findings:
        raise MappingProblems(_problems(name, source, findings))
    return MappingDocument(name, content, source)


def read_mapping_file(path: FilePath | str) -> MappingDocument:
    """Read a mapping file. Raises `MappingProblems` with everything that is wrong with it."""
    try:
        text = FilePath(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "Look at the name of the file and at its permissions."
        raise MappingProblems([MappingProblem(f"The file cannot be read: {reason}.", remedy, file=str(path))]) from None
    except UnicodeDecodeError:
        remedy = "Save it with the encoding UTF-8."
        raise MappingProblems([MappingProblem("The file is no text in UTF-8.", remedy, file=str(path))]) from None
    return read_mapping_text(text, str(path))


def read_mapping_files(paths: Iterable[FilePath | str]) -> list[MappingDocument]:
    """Read several mapping files that belong together.

    Raises `MappingProblems` with everything that is wrong with any of them, also mappings and transformation rules that stand
    in more than one.
    """
    documents: list[MappingDocument] = []
    problems: list[MappingProblem] = []
    for path in paths:
        try:
            documents.append(read_mapping_file(path))
        except MappingProblems as error:
            problems += error.problems
    problems += _repetitions(documents)
    if problems:
        raise MappingProblems(problems)
    return documents


def _repetitions(documents: Sequence[MappingDocument]) -> list[MappingProblem]:
    problems: list[MappingProblem] = []
    first: dict[tuple[str, str], str] = {}
    for document in documents:
        mappings = [("mapping", "mappings", mapping.name) for mapping in document.content.mappings]
        rules = [
            ("transformation rule", "transformation_rules", rule.code) for rule in document.content.transformation_rules
        ]
        for items in (mappings, rules):
            for index, (kind, key, name) in enumerate(items):
                other = first.setdefault((kind, name), document.name)
                if other != document.name:
                    problems.append(
                        MappingProblem(
                            f"The {kind} {name} stands in {other} too.",
                            "Leave one of them out.",
                            mapping=name if kind == "mapping" else "",
                            file=document.name,
                            line=document._source.line((key, index)),
                        )
                    )
    return problems


def _problems(name: str, source: Content, findings: Iterable[Finding]) -> list[MappingProblem]:
    problems = []
    for finding in findings:
        mapping, field = _subject(source.value, finding.path)
        line = finding.line or source.line(finding.path)
        problems.append(MappingProblem(finding.message, finding.remedy, mapping, field, name, line))
    return sorted(problems, key=lambda problem: problem.line or 0)


def _subject(values: Any, path: Path) -> tuple[str, str]:
    """Return the names of the mapping and of the field, or whatever else, that a path leads to."""
    match path:
        case ("mappings", int(index), *inner):
            mapping = _item(values, "mappings", index)
            name = str(mapping.get("name") or f"mapping {index + 1}")
            match inner:
                case ["fields", int(row), *_]:
                    fields = _item(mapping, "fields", row)
                    names = [str(fields.get(side) or "") for side in ("local", "integration")]
                    return name, "=".join(names) if any(names) else f"row {row + 1}"
                case ["templates", int(number), *_]:
                    return name, f"templates {_item(mapping, 'templates', number).get('code', number + 1)}"
                case [key, *_]:
                    return name, str(key)
            return name, ""
        case ("transformation_rules", int(index), *_):
            return "", f"transformation rule {_item(values, 'transformation_rules', index).get('code', index + 1)}"
    return "", ""


def _item(values: Any, key: str, index: int) -> dict[str, Any]:
    items = values.get(key) if isinstance(values, dict) else None
    item = items[index] if isinstance(items, list) and index < len(items) else None
    return item if isinstance(item, dict) else {}
