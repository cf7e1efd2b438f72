"""Writing mappings as a mapping file: in the order of the form, without defaults, with comments for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from io import StringIO
from textwrap import wrap
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, FoldedScalarString, SingleQuotedScalarString

from twinrow.model.mapping import FieldMapping, MappingFile, TableMapping
from twinrow.model.sides import Direction, Side
from twinrow.model.tables import Field, Table

Tables = Callable[[Side, str], Table]
"""Describes a table of a side; raises `UnknownTable`."""

_WIDTH = 120
_INDICATORS = tuple("?-:,[]{}#&*!|>'\"%@`")
"""First characters that mean something in YAML, in some places: texts that begin with them stand in quotes."""

_ARROWS = {Direction.BIDIRECTIONAL: "<->", Direction.TO_INTEGRATION: "->", Direction.FROM_INTEGRATION: "<-"}


def export_mappings(content: MappingFile, tables: Tables | None = None) -> str:
    """Return the text of a mapping file that says the same as `content` when it is read.

    Comments tell the captions that stand in no key: with `tables` those of tables, of fields and of the options of choices.
    """
    document = CommentedMap({key: _plain(value) for key, value in content.model_dump(exclude_defaults=True).items()})
    if content.transformation_rules:
        # A rule's type is a default of its kind, and so must be written in spite of being one.
        rules = [{"type": rule.type} | rule.model_dump(exclude_defaults=True) for rule in content.transformation_rules]
        document["transformation_rules"] = _plain(tuple(rules))
        document.yaml_set_comment_before_after_key("transformation_rules", before="\n")
    if content.mappings:
        document["mappings"] = CommentedSeq()
        for index, mapping in enumerate(content.mappings):
            document["mappings"].append(_mapping(mapping, tables))
            heading = ("\n" if index else "") + _in_a_comment(_heading(mapping, tables))
            document["mappings"].yaml_set_comment_before_after_key(index, before=heading, indent=2)
        document.yaml_set_comment_before_after_key("mappings", before="\n")
    return _text(document)


def _mapping(mapping: TableMapping, tables: Tables | None) -> CommentedMap:
    values = _plain(mapping.model_dump(exclude_defaults=True))
    assert isinstance(values, CommentedMap)  # noqa: S101
    for index, row in enumerate(mapping.fields):
        remark = "" if tables is None else "; ".join(_captions(mapping, row, tables))
        if remark:
            values["fields"].yaml_set_comment_before_after_key(index, before=_in_a_comment(remark), indent=6)
    return values


def _in_a_comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _heading(mapping: TableMapping, tables: Tables | None) -> str:
    names = [mapping.table(side) if tables is None else tables(side, mapping.table(side)).caption for side in Side]
    local, integration = (name or mapping.table(side) for side, name in zip(Side, names, strict=True))
    return f"{mapping.name}: {local} {_ARROWS[mapping.direction]} {integration}"


def _captions(mapping: TableMapping, row: FieldMapping, tables: Tables) -> Iterator[str]:
    fields: dict[Side, Field] = {}
    for side in Side:
        name = row.field(side)
        found = tables(side, mapping.table(side)).fields.get(name) if name else None
        if found is not None:
            fields[side] = found
    captions = [field.caption for field in fields.values() if field.caption]
    if not row.caption and captions:
        yield f" {_ARROWS[row.direction]} ".join(captions)
    written: dict[Side, Iterable[object]] = {
        Side.LOCAL: [*row.values, row.constant],
        Side.INTEGRATION: [*row.values.values(), row.constant],
    }
    for side, field in fields.items():
        texts = [str(value) for value in written[side] if value is not None]
        told = [f"{o.value} = {o.caption}" for o in field.options if o.caption and str(o.value) in texts]
        if told:
            yield f"{field.name} {', '.join(told)}"


def _plain(value: Any) -> Any:
    """Return a value as it is to be written: what is short in one line, a long text folded."""
    match value:
        case Enum():
            return value.value
        case Mapping():
            values = CommentedMap({_plain(key): _plain(item) for key, item in value.items()})
            if _is_short(value) and not any(_holds_mappings(item) for item in value.values()):
                values.fa.set_flow_style()
            return values
        case tuple():
            items = CommentedSeq(_plain(item) for item in value)
            if _is_short(value) and not _holds_mappings(value):
                items.fa.set_flow_style()
            return items
        case str() if not value.isprintable():
            return DoubleQuotedScalarString(value)
        case str() if value[:1] in _INDICATORS:
            return SingleQuotedScalarString(value)
        case str() if not _is_short(value) and value == " ".join(value.split()):
            folded = FoldedScalarString(value)
            folded.fold_pos = _folds(value)
            return folded
        case _:
            return value


def _holds_mappings(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, Mapping) for item in value)


def _is_short(value: Any) -> bool:
    match value:
        case Mapping():
            length = sum(len(str(key)) + len(str(item)) + 4 for key, item in value.items())
        case tuple():
            length = sum(len(str(item)) + 2 for item in value)
        case _:
            length = len(str(value))
    return length <= _WIDTH - 10


def _folds(text: str) -> list[int]:
    positions, end = [], -1
    for line in wrap(text, _WIDTH - 12, break_long_words=False, break_on_hyphens=False)[:-1]:
        end += len(line) + 1
        positions.append(end)
    return positions


class _Representer(RoundTripRepresenter):
    def represent_decimal(self, value: Decimal) -> ScalarNode:
        text = format(value, "f")
        return self.represent_scalar("tag:yaml.org,2002:float", text if "." in text else f"{text}.0")


_Representer.add_representer(Decimal, _Representer.represent_decimal)


def _text(document: CommentedMap) -> str:
    yaml = YAML()
    yaml.Representer = _Representer
    # Nothing is wrapped by itself: wrapped lines would break between a key and its value.
    yaml.width = 1 << 20
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
