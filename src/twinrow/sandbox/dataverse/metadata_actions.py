"""Actions on metadata: options inserted, renamed, removed, put in order; tables made; publishing.

The *target* of an action is a choice column of one table, or a shared choice. A new option without a number gets the
first free one of its publisher's range.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twinrow.sandbox.dataverse import answers, errors
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.labels import label_text, label_texts
from twinrow.sandbox.dataverse.metadata_changes import create_table
from twinrow.sandbox.dataverse.schema import Column, Option, OptionSet
from twinrow.sandbox.dataverse.setting_up import write_string_map
from twinrow.sandbox.http import Answer

_RANGE = 10_000
_ENTITY = re.compile(r"<entity>\s*([^<\s]+)\s*</entity>")
_OPTION_SET = re.compile(r"<optionset>\s*([^<\s]+)\s*</optionset>")


@dataclass
class _Target:
    """The choice that an action works on."""

    environment: Environment
    table: str
    column: Column | None
    shared: OptionSet | None
    options: list[Option]

    def store(self) -> None:
        """Make the changed list that of the choice."""
        catalog = self.environment.catalog
        if self.shared is not None:
            catalog.set_option_set(OptionSet(self.shared.name, self.shared.label, self.options))
        elif self.column is not None:
            catalog.set_options(self.table, self.column.name, self.options)

    def find(self, value: Any) -> Option:
        """The option with this number. Raises DataverseError."""
        for option in self.options:
            if option.value == value:
                return option
        raise errors.bad_argument(f"The option value {value} does not exist in the option set.", "0x80048403")


def call_metadata_action(environment: Environment, call: Call, name: str, body: Any) -> Answer | None:
    """The answer of an action on metadata; None when there is none of this name."""
    action = _ACTIONS.get(name)
    if action is None:
        return None
    if not isinstance(body, dict):
        raise errors.bad_argument("The parameters of an action must be given as an object.")
    return action(environment, call, name, body)


def _target(environment: Environment, body: dict[str, Any]) -> _Target:
    shared, table, column = (body.get(n) for n in ("OptionSetName", "EntityLogicalName", "AttributeLogicalName"))
    if (shared is None) == (table is None and column is None):
        raise errors.bad_argument(
            "Either OptionSetName, or EntityLogicalName and AttributeLogicalName must be given.", "0x80048403"
        )
    if shared is not None:
        option_set = environment.catalog.option_sets.get(shared)
        if option_set is None:
            raise errors.bad_argument(f"There is no option set '{shared}'.", "0x80048403")
        return _Target(environment, "", None, option_set, list(option_set.options))
    definition = environment.catalog.table(str(table))
    found = definition.columns.get(str(column))
    if found is None:
        raise errors.bad_argument(f"The entity '{table}' has no attribute '{column}'.", "0x80041103")
    if found.type not in ("Picklist", "Status", "MultiSelectPicklist"):
        raise errors.bad_argument("You can add an option only to picklist and status attributes.", "0x80044320")
    if found.option_set is not None:
        option_set = environment.catalog.option_sets[found.option_set]
        return _Target(environment, definition.name, found, option_set, list(option_set.options))
    return _Target(environment, definition.name, found, None, list(definition.options[found.name]))


def _insert(environment: Environment, call: Call, name: str, body: dict[str, Any]) -> Answer:
    target = _target(environment, body)
    state = body.get("StateCode") if name == "InsertStatusValue" else None
    if target.column is not None and (target.column.type == "Status") != (name == "InsertStatusValue"):
        raise errors.bad_argument("Status attributes take InsertStatusValue, others InsertOptionValue.", "0x80044320")
    texts = label_texts(body.get("Label"))
    if not texts:
        raise errors.bad_argument("The parameter 'Label' must hold at least one label.")
    value = body.get("Value")
    taken = {option.value for option in target.options}
    if value is None:
        first = _prefix(environment, body.get("SolutionUniqueName")) * _RANGE
        value = next(number for number in range(first, first + _RANGE) if number not in taken)
    elif value in taken:
        raise errors.bad_argument(f"The option value {value} exists already in the option set.", "0x80048403")
    target.options.append(
        Option(
            int(value),
            texts,
            state,
            color=body.get("Color"),
            external_value=body.get("ExternalValue"),
            description=label_text(body.get("Description")) or None,
        )
    )
    target.store()
    context = f"{call.root}/$metadata#Microsoft.Dynamics.CRM.{name}Response"
    return answers.json_body({"@odata.context": context, "NewOptionValue": value})


def _update(environment: Environment, _call: Call, _name: str, body: dict[str, Any]) -> Answer:
    target = _target(environment, body)
    option = target.find(body.get("Value"))
    texts = label_texts(body.get("Label"))
    changed = Option(
        option.value,
        {**option.labels, **texts} if body.get("MergeLabels", True) else texts or option.labels,
        option.state,
        color=body.get("Color", option.color),
        external_value=body.get("ExternalValue", option.external_value),
        description=label_text(body.get("Description")) or option.description,
    )
    target.options[target.options.index(option)] = changed
    target.store()
    return answers.no_content()


def _delete(environment: Environment, _call: Call, _name: str, body: dict[str, Any]) -> Answer:
    target = _target(environment, body)
    target.options.remove(target.find(body.get("Value")))
    target.store()
    return answers.no_content()


def _order(environment: Environment, _call: Call, _name: str, body: dict[str, Any]) -> Answer:
    target = _target(environment, body)
    values = body.get("Values")
    by_value = {option.value: option for option in target.options}
    if not isinstance(values, list) or sorted(values) != sorted(by_value):
        raise errors.bad_argument("The parameter 'Values' must hold every option of the option set once.", "0x80048403")
    target.options = [by_value[value] for value in values]
    target.store()
    return answers.no_content()


def _publish(environment: Environment, call: Call, _name: str, body: dict[str, Any]) -> Answer:
    xml = body.get("ParameterXml")
    if not isinstance(xml, str) or "<importexportxml" not in xml:
        raise errors.bad_argument("The parameter 'ParameterXml' must hold an importexportxml element.")
    tables = [environment.catalog.table(name) for name in _ENTITY.findall(xml)]
    shared = set(_OPTION_SET.findall(xml))
    users = environment.catalog.tables.values()
    tables += [t for t in users if any(c.option_set in shared for c in t.columns.values() if c.option_set)]
    write_string_map(environment, call, tables)
    return answers.no_content()


def _publish_all(environment: Environment, call: Call, _name: str, _body: dict[str, Any]) -> Answer:
    write_string_map(environment, call, environment.catalog.tables.values())
    return answers.no_content()


def _create_entities(environment: Environment, call: Call, _name: str, body: dict[str, Any]) -> Answer:
    entities = body.get("Entities")
    if not isinstance(entities, list) or not entities:
        raise errors.bad_argument("The parameter 'Entities' must hold at least one table.")
    for entity in entities:
        create_table(environment, call, entity)
    return answers.no_content()


def _prefix(environment: Environment, solution: Any) -> int:
    """The range of the publisher of the solution; without one, that of the default publisher."""
    row = environment.storage.execute(
        "SELECT p.customizationoptionvalueprefix FROM solution s JOIN publisher p ON p.publisherid = s.publisherid "
        "WHERE s.uniquename = ? COLLATE NOCASE",
        (solution or "Default",),
    ).fetchone()
    if row is None or row[0] is None:
        raise errors.bad_argument(
            f"The solution '{solution}' does not exist, or its publisher has no option value prefix."
        )
    return int(row[0])


_ACTIONS: dict[str, Callable[[Environment, Call, str, dict[str, Any]], Answer]] = {
    "InsertOptionValue": _insert,
    "InsertStatusValue": _insert,
    "UpdateOptionValue": _update,
    "DeleteOptionValue": _delete,
    "OrderOption": _order,
    "PublishXml": _publish,
    "PublishAllXml": _publish_all,
    "CreateEntities": _create_entities,
}
