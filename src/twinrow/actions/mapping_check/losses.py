"""What a field that is carried both ways loses on its way, so that the way back cannot restore it."""

from __future__ import annotations

from collections.abc import Iterator

from twinrow.actions.mapping_check.surroundings import Row, Surroundings, both_ways
from twinrow.batch.columns import DEFAULT_SCALE
from twinrow.model.errors import ConfigurationError, MappingProblem
from twinrow.model.mapping import TableMapping
from twinrow.model.rules import TEXTS, AnyRule, Prefix, rule_chain
from twinrow.model.sides import Pass
from twinrow.model.tables import Field, FieldType


def check_loss(mapping: TableMapping, row: Row, surroundings: Surroundings) -> Iterator[MappingProblem]:
    """Yield what a row loses without saying what is to happen then."""
    if not both_ways(mapping, row.mapping):
        return
    losses = [] if row.mapping.on_loss else [loss for pass_ in Pass for loss in _losses(row, pass_, surroundings)]
    if losses:
        yield MappingProblem(
            f"The field goes both ways and can lose something: {'; '.join(dict.fromkeys(losses))}.",
            "Say what is to happen: on_loss: overwrite, refuse or conflict. Without it, what does not fit is refused.",
            mapping.name,
            row.key,
            severity="warning",
        )
    for rule in _chain(row, surroundings):
        does = rule.one_way and f"{rule.one_way} on one way, and nothing turns them back on the other"
        if isinstance(rule, Prefix):
            does = f"puts {rule.text!r} before the value on one way, and nothing takes it off on the other"
        if does:
            message = f"The rule {rule.code} {does}."
            remedy = "Let the field go one way only."
            yield MappingProblem(message, remedy, mapping.name, row.key, severity="warning")


def _losses(row: Row, pass_: Pass, surroundings: Surroundings) -> Iterator[str]:
    source, destination = row[pass_.source], row[pass_.destination]
    if row.mapping.values:
        return
    if source.type in TEXTS and destination.type in TEXTS:
        yield from _lost_in_text(source, destination)
    if (
        destination.type is FieldType.DECIMAL
        and source.type is FieldType.DECIMAL
        and _scale(source) > _scale(destination)
    ):
        yield f"{destination.name} keeps {_scale(destination)} decimals, {source.name} {_scale(source)}"
    if destination.type is FieldType.DATE and source.type is FieldType.DATETIME:
        yield f"{destination.name} keeps no time of day"
    if row.mapping.rules_apply(pass_):
        for rule in _chain(row, surroundings):
            if rule.loses:
                yield f"the rule {rule.code} takes away {rule.loses}"


def _chain(row: Row, surroundings: Surroundings) -> tuple[AnyRule, ...]:
    try:
        return rule_chain(row.mapping.transformation, surroundings.rules)
    except ConfigurationError:
        return ()  # told by `transformations`


def _lost_in_text(source: Field, destination: Field) -> Iterator[str]:
    if destination.max_length is not None and (source.max_length is None or source.max_length > destination.max_length):
        length = "any number of" if source.max_length is None else source.max_length
        yield f"{destination.name} holds {destination.max_length} characters, {source.name} {length}"
    if destination.type is FieldType.CODE and source.type is not FieldType.CODE:
        yield f"{destination.name} is a Code, without case and outer blanks"


def _scale(field: Field) -> int:
    return DEFAULT_SCALE if field.scale is None else field.scale
