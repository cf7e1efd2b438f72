"""What is wrong with the values of a mapping file, in sentences: where, what, and what to do.

The model of mappings finds the mistakes. It stops looking into a value that contains one, so the mistakes that were found are
taken out and the rest is looked at again, until nothing new comes up: all problems are told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from difflib import get_close_matches
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from twinrow.actions.mapping_files.nodes import Finding, Path
from twinrow.model.contradictions import Contradictions
from twinrow.model.errors import FilterError
from twinrow.model.filters import filter_variables, parse_filter
from twinrow.model.mapping import (
    FieldMapping,
    MappingFile,
    Match,
    Schedule,
    TableMapping,
    Template,
    When,
)

_NOUNS: dict[type[BaseModel], str] = {
    MappingFile: "a mapping file",
    TableMapping: "a table mapping",
    FieldMapping: "a field mapping",
    Template: "a template",
    Schedule: "a schedule",
    Match: "match",
    When: "when",
}
_ITEMS = ("mappings", "fields", "templates", "transformation_rules")
_SCALAR = ("bool", "int", "decimal", "str")
_KINDS: dict[str, tuple[str, str]] = {
    "string_type": ("a text", "Put it in quotes."),
    "bool_type": ("true or false", ""),
    "bool_parsing": ("true or false", ""),
    "int_type": ("a whole number", ""),
    "int_parsing": ("a whole number", ""),
    "int_from_float": ("a whole number", ""),
    "tuple_type": ("a list", "Write it as [one, two], or one item in each line after a dash."),
    "dict_type": ("keys and values", "Write it as {key: value}."),
    "mapping_type": ("keys and values", "Write it as {key: value}."),
    "model_type": ("keys and values", "Write it as {key: value}."),
    "model_attributes_type": ("keys and values", "Write it as {key: value}."),
}


def validate(values: Any) -> tuple[MappingFile | None, list[Finding]]:
    """Return what the values say, or everything that is wrong with them."""
    findings: list[Finding] = []
    remaining = deepcopy(values)
    while True:
        try:
            content = MappingFile.model_validate(remaining)
        except ValidationError as error:
            errors = [details for details in error.errors() if not _is_consequence(details, remaining)]
            found = [finding for details in errors for finding in _findings(details, values)]
            findings += [finding for finding in dict.fromkeys(found) if finding not in findings]
            # A list, and not a generator within any(): all of them are to be mended in this round.
            if not any([_mend(remaining, _place(details, remaining)) for details in errors]):  # noqa: C419
                return None, findings
        else:
            return (None, findings) if findings else (content, [])


def _is_consequence(details: ErrorDetails, values: Any) -> bool:
    """Whether a list is only called too short because of the mistakes in its items."""
    return details["type"] == "too_short" and bool(_value_at(values, details["loc"]))


def _place(details: ErrorDetails, values: Any) -> Path:
    """Return where a value must be mended because of an error."""
    place = _path_in(values, details["loc"])
    if details["type"] == "missing":
        return (*place, str(details["loc"][-1]))
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, Contradictions) and cause.found:
        return (*place, *cause.found[0].place)
    return place


def _mend(values: Any, place: Path) -> bool:
    """Put something without mistakes where the mistake is, so that what is around it can be looked at; tell whether it helped.

    A wrong key goes, or gets a stand-in where it must be there; a row with anything wrong is replaced as a whole.
    """
    if not place or not isinstance(values, dict):
        return False
    item: Path = ()
    for index, part in enumerate(place[:-1]):
        if part in _ITEMS and isinstance(place[index + 1], int):
            item = place[: index + 2]
    rest = place[len(item) :]
    container = _value_at(values, item) if rest else _value_at(values, item[:-1])
    before = deepcopy(container)
    stand_in = _stand_in(item)
    if not rest:
        container[item[-1]] = stand_in
    elif len(item) in (0, 2) and item[:1] != ("transformation_rules",) and isinstance(container, dict):
        key = str(rest[0])
        container.pop(key, None)
        if key in stand_in:
            container[key] = stand_in[key]
    else:
        return _mend(values, item)
    return bool(container != before)


def _stand_in(item: Path) -> dict[str, Any]:
    match item[-2:]:
        case ("mappings", index):
            fields = [_stand_in(("fields", 0))]
            return {"name": f"?{index}", "local_table": "?", "integration_table": "?", "fields": fields}
        case ("fields", index):
            return {"local": f"?{index}", "integration": f"?{index}"}
        case ("templates", index):
            return {"code": f"?{index}", "side": "local", "values": {}}
        case ("transformation_rules", index):
            return {"code": f"?{index}", "type": "trim"}
        case _:
            return {"version": 1}


def _path_in(values: Any, location: tuple[str | int, ...]) -> Path:
    """Return the part of an error's location that the file has: the model also names the kinds of value that it tried."""
    path: list[str | int] = []
    for part in location:
        if isinstance(values, dict) and part in values:
            values = values[str(part)]
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            continue
        path.append(part)
    return tuple(path)


def _value_at(values: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values


def _findings(details: ErrorDetails, values: Any) -> Iterator[Finding]:
    path = _path_in(values, details["loc"])
    value = details["input"]
    context = details.get("ctx", {})
    cause = context.get("error")
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "the file")
    if isinstance(cause, Contradictions):
        for found in cause.found:
            yield Finding((*path, *found.place), _sentence(found.message))
        return
    match details["type"]:
        case "extra_forbidden":
            yield _unknown_key(path, values)
        case "missing":
            yield _missing_key(path, str(details["loc"][-1]), values)
        case "enum" | "literal_error":
            yield _not_allowed(path, key, value, values)
        case "union_tag_invalid":
            allowed = [word.strip(" '") for word in str(context["expected_tags"]).split(",")]
            yield Finding(
                (*path, "type"), f"type cannot be {_shown(context['tag'])}.", _allowed(allowed, context["tag"])
            )
        case "union_tag_not_found":
            yield Finding(
                path, "The key 'type' is missing.", "Say what kind of rule it is, for example type: uppercase"
            )
        case "value_error" if key in ("local_filter", "integration_filter", "filter"):
            yield _filter_finding(path, str(value))
        case "string_too_long":
            limit = context["max_length"]
            yield Finding(path, f"{key} has {len(str(value))} characters; {limit} are allowed.", "Shorten it.")
        case "string_too_short" | "string_pattern_mismatch":
            yield Finding(path, f"{key} must not be blank.")
        case "too_short":
            yield Finding(path, f"{key} must not be empty.")
        case "greater_than_equal":
            yield Finding(path, f"{key} is {_shown(value)}; it must be {context['ge']} or more.")
        case _ if details["loc"][-1:] and details["loc"][-1] in _SCALAR and details["loc"][-1] not in path:
            yield Finding(path, f"{key} must be a text, a number, true or false.")
        case kind if kind in _KINDS:
            wanted, remedy = _KINDS[kind]
            subject = "A mapping file" if not path else key if isinstance(path[-1], str) else f"An item of {key}"
            yield Finding(path, f"{subject} must be {wanted}, not {_shown(value)}.", remedy)
        case _:
            yield Finding(path, _sentence(f"{key}: {details['msg']}"))


def _unknown_key(path: Path, values: Any) -> Finding:
    key = str(path[-1])
    model = _model_at(path[:-1], values)
    known = list(model.model_fields) if model is not None else []
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    remedy = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."
    return Finding(path, f"There is no key {key!r} in {_noun(model)}.", remedy)


def _missing_key(path: Path, key: str, values: Any) -> Finding:
    model = _model_at(path, values)
    description = "" if model is None else model.model_fields[key].description or ""
    return Finding(path, f"The key {key!r} is missing from {_noun(model)}.", description)


def _not_allowed(path: Path, key: str, value: Any, values: Any) -> Finding:
    model = _model_at(path[:-1], values)
    allowed = [] if model is None else _allowed_values(model.model_fields[key].annotation)
    return Finding(path, f"{key} cannot be {_shown(value)}.", _allowed(allowed, value))


def _allowed(allowed: list[str], value: Any) -> str:
    close = get_close_matches(str(value), allowed, n=1, cutoff=0.6)
    nearest = f"Did you mean {close[0]}? " if close else ""
    return f"{nearest}Allowed: {', '.join(allowed)}."


def _allowed_values(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [value for part in get_args(annotation) for value in _allowed_values(part)]


def _filter_finding(path: Path, text: str) -> Finding:
    try:
        parse_filter(text, dict.fromkeys(filter_variables(text), "0"))
    except FilterError as error:
        place = "" if error.position is None else f" (character {error.position + 1})"
        return Finding(path, _sentence(f"{error.message}{place}"), error.remedy or "")
    return Finding(path, "The filter cannot be used.")


def _model_at(path: Path, values: Any) -> type[BaseModel] | None:
    """Return the model of the value at a path."""
    annotation: Any = MappingFile
    for part in path:
        values = _value_at(values, (part,))
        model = _chosen_model(annotation, None)
        if isinstance(part, str):
            if model is None or part not in model.model_fields:
                return None
            annotation = model.model_fields[part].annotation
        else:
            annotation = _item_annotation(annotation)
    return _chosen_model(annotation, values)


def _item_annotation(annotation: Any) -> Any:
    return next((part for part in get_args(annotation) if part is not Ellipsis), None)


def _chosen_model(annotation: Any, values: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = [found for part in get_args(annotation) if (found := _chosen_model(part, values)) is not None]
    if len(models) > 1 and isinstance(values, Mapping):
        return next((model for model in models if model.model_fields["type"].default == values.get("type")), None)
    return models[0] if models else None


def _noun(model: type[BaseModel] | None) -> str:
    return "a transformation rule" if model is None else _NOUNS.get(model, "this transformation rule")


def _shown(value: Any) -> str:
    if value is None:
        return "blank"
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "keys and values"
    return repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    # The name of a key stays as it is written in files.
    beginning = first if "_" in first else first[:1].upper() + first[1:]
    return beginning + text[len(first) :] + ("" if text.endswith((".", "!", "?")) else ".")
