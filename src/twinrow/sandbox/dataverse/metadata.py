"""`EntityDefinitions` and `GlobalOptionSetDefinitions`: metadata read as resources, and the writes to them."""

from __future__ import annotations

import re
from typing import Any

from twinrow.sandbox.dataverse import answers, errors, metadata_changes
from twinrow.sandbox.dataverse.addresses import Segment
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.dataverse.metadata_query import Shape, answer_list, answer_one
from twinrow.sandbox.dataverse.metadata_shapes import (
    attribute_id,
    attribute_shape,
    entity_id,
    entity_shape,
    global_option_set_shape,
    is_choice,
    key_shape,
    many_to_many_shape,
    many_to_one_shape,
    option_set_shape,
    with_default_status,
)
from twinrow.sandbox.dataverse.rows import body_of
from twinrow.sandbox.dataverse.schema import Column, Key, ManyToMany, ManyToOne, OptionSet
from twinrow.sandbox.dataverse.values import guid
from twinrow.sandbox.http import Answer, Request

METADATA_SETS = frozenset({"EntityDefinitions", "GlobalOptionSetDefinitions"})
_NAMED_KEY = re.compile(r"\s*(\w+)\s*=\s*'((?:[^']|'')*)'\s*")
_CAST = re.compile(r"Microsoft\.Dynamics\.CRM\.(\w+AttributeMetadata)")
_RELATIONSHIPS = {"ManyToOneRelationships", "OneToManyRelationships", "ManyToManyRelationships"}


class MetadataOperations:
    """Carries out one operation on metadata."""

    def __init__(self, environment: Environment, call: Call, request: Request) -> None:
        self._environment = environment
        self._call = call
        self._request = request

    def answer(self, segments: list[Segment], options: dict[str, str]) -> Answer:
        """The answer of a path that begins with a set of metadata. Raises DataverseError."""
        first, rest = segments[0], segments[1:]
        if first.name == "GlobalOptionSetDefinitions":
            return self._option_sets(first, rest, options)
        if first.key is None:
            if rest:
                raise errors.unknown_segment(rest[0].name)
            return self._entities(options)
        table = self._table(first.key)
        shown = f"EntityDefinitions({guid(first.key) or repr(table.name)})"
        if not rest:
            return self._entity(table, options)
        match rest[0].name:
            case "Attributes":
                return self._attributes(table, shown, rest, options)
            case "Keys":
                return self._keys(table, shown, rest, options)
            case name if name in _RELATIONSHIPS:
                return self._list(f"{shown}/{name}", self._related(table, name), options)
        raise errors.unknown_segment(rest[0].name)

    # Tables.

    def _entities(self, options: dict[str, str]) -> Answer:
        if self._request.method == "POST":
            made = metadata_changes.create_table(self._environment, self._call, self._body())
            return self._made(f"EntityDefinitions({entity_id(made)})")
        self._only("GET")
        shapes = [entity_shape(self._environment, table) for table in self._environment.catalog.tables.values()]
        return self._list("EntityDefinitions", shapes, options)

    def _entity(self, table: Table, options: dict[str, str]) -> Answer:
        match self._request.method:
            case "GET":
                shape = answer_one(entity_shape(self._environment, table), options, self._expand)
                return self._one(f"EntityDefinitions{_listed(options)}/$entity", shape)
            case "PUT":
                metadata_changes.change_table(self._environment, table, self._body())
                return answers.no_content()
            case "DELETE":
                metadata_changes.remove_table(self._environment, table)
                return answers.no_content()
        raise errors.no_route(self._request.method, self._request.path)

    def _table(self, key: str) -> Table:
        catalog = self._environment.catalog
        by_id = guid(key)
        match = _NAMED_KEY.fullmatch(key)
        for table in catalog.tables.values():
            if by_id is not None and entity_id(table.name) == by_id:
                return table
            if match and match[1] == "LogicalName" and table.name == match[2]:
                return table
            if match and match[1] == "SchemaName" and table.data.schema == match[2]:
                return table
        raise DataverseError(404, "0x80060888", f"Could not find an entity with the key '{key}'.")

    # Columns.

    def _attributes(self, table: Table, shown: str, rest: list[Segment], options: dict[str, str]) -> Answer:
        collection, behind = rest[0], rest[1:]
        cast = _CAST.fullmatch(behind[0].name) if behind else None
        if collection.key is None:
            if self._request.method == "POST" and not behind:
                made = metadata_changes.create_column(self._environment, table, self._body())
                return self._made(f"{shown}/Attributes({attribute_id(table.name, made)})")
            self._only("GET")
            path = f"{shown}/Attributes"
            shapes = self._attribute_shapes(table)
            if cast:
                path += f"/{behind[0].name}"
                shapes = [_without_type(shape) for shape in shapes if shape["@odata.type"].endswith(f".{cast[1]}")]
            elif behind:
                raise errors.unknown_segment(behind[0].name)
            return self._list(path, shapes, options)
        column = self._column(table, collection.key)
        path = f"{shown}/Attributes({guid(collection.key) or repr(column.name)})"
        if not behind:
            return self._attribute(table, column, path, options)
        if cast is None:
            raise errors.unknown_segment(behind[0].name)
        shape = self._attribute_shape(table, column)
        if not shape["@odata.type"].endswith(f".{cast[1]}"):
            raise DataverseError(404, "0x80060888", f"The attribute '{column.name}' is not of the type '{cast[1]}'.")
        self._only("GET")
        path += f"/{behind[0].name}"
        if len(behind) > 1:
            value = self._expand(shape, behind[1].name)
            return self._one(
                f"{path}/{behind[1].name}{_listed(options)}/$entity", answer_one(value, options, self._expand)
            )
        cut = answer_one(_without_type(shape), options, self._expand)
        return self._one(f"{path}{_listed(options)}/$entity", cut)

    def _attribute(self, table: Table, column: Column, path: str, options: dict[str, str]) -> Answer:
        if self._request.method == "DELETE":
            metadata_changes.remove_column(self._environment, table, column)
            return answers.no_content()
        self._only("GET")
        shape = answer_one(self._attribute_shape(table, column), options, self._expand)
        return self._one(f"{path}{_listed(options)}/$entity", shape)

    def _column(self, table: Table, key: str) -> Column:
        by_id, match = guid(key), _NAMED_KEY.fullmatch(key)
        for column in table.columns.values():
            if by_id is not None and attribute_id(table.name, column.name) == by_id:
                return column
            if match and match[1] == "LogicalName" and column.name == match[2]:
                return column
        raise DataverseError(404, "0x80060888", f"Could not find an attribute of '{table.name}' with the key '{key}'.")

    def _attribute_shapes(self, table: Table) -> list[Shape]:
        return [attribute_shape(table, column, number) for number, column in enumerate(table.columns.values(), 1)]

    def _attribute_shape(self, table: Table, column: Column) -> Shape:
        return attribute_shape(table, column, list(table.columns).index(column.name) + 1)

    # Keys and relationships.

    def _keys(self, table: Table, shown: str, rest: list[Segment], options: dict[str, str]) -> Answer:
        if rest[0].key is None:
            if self._request.method == "POST":
                made = metadata_changes.create_key(self._environment, table, self._body())
                return self._made(f"{shown}/Keys({key_shape(table, made)['MetadataId']})")
            self._only("GET")
            return self._list(f"{shown}/Keys", [key_shape(table, key) for key in table.data.keys], options)
        key = self._key(table, rest[0].key)
        if self._request.method == "DELETE":
            metadata_changes.remove_key(self._environment, table, key)
            return answers.no_content()
        self._only("GET")
        shape = answer_one(key_shape(table, key), options, self._expand)
        return self._one(f"{shown}/Keys{_listed(options)}/$entity", shape)

    def _key(self, table: Table, text: str) -> Key:
        by_id, match = guid(text), _NAMED_KEY.fullmatch(text)
        for key in table.data.keys:
            shape = key_shape(table, key)
            if by_id == shape["MetadataId"] or (match and match[2] == shape["LogicalName"]):
                return key
        raise DataverseError(404, "0x80060890", f"The entity '{table.name}' has no key '{text}'.")

    def _related(self, table: Table, name: str) -> list[Shape]:
        catalog = self._environment.catalog
        match name:
            case "ManyToOneRelationships":
                seen: dict[str, ManyToOne] = {}
                for relationship in table.many_to_one:
                    seen.setdefault(f"{relationship.name}/{relationship.column}", relationship)
                return [_without_type(many_to_one_shape(catalog, r)) for r in seen.values()]
            case "OneToManyRelationships":
                return [_without_type(many_to_one_shape(catalog, r)) for r in table.referenced_by]
        found = [r for r in table.collections.values() if isinstance(r, ManyToMany)]
        return [_without_type(many_to_many_shape(catalog, r)) for r in found]

    # Shared choices.

    def _option_sets(self, first: Segment, rest: list[Segment], options: dict[str, str]) -> Answer:
        catalog, method = self._environment.catalog, self._request.method
        if rest and not _is_cast(rest[0].name):
            raise errors.unknown_segment(rest[0].name)
        if first.key is None:
            if method == "POST":
                made = metadata_changes.create_option_set(self._environment, self._body())
                return self._made(f"GlobalOptionSetDefinitions({global_option_set_shape(made)['MetadataId']})")
            self._only("GET")
            shapes = [global_option_set_shape(option_set) for option_set in catalog.option_sets.values()]
            return self._list("GlobalOptionSetDefinitions", shapes, options)
        option_set = self._option_set(first.key)
        match method:
            case "GET":
                shape = answer_one(global_option_set_shape(option_set), options, self._expand)
                return self._one(f"GlobalOptionSetDefinitions{_listed(options)}/$entity", shape)
            case "PUT":
                metadata_changes.change_option_set(self._environment, option_set, self._body())
                return answers.no_content()
            case "DELETE":
                metadata_changes.remove_option_set(self._environment, option_set)
                return answers.no_content()
        raise errors.no_route(method, self._request.path)

    def _option_set(self, key: str) -> OptionSet:
        by_id, match = guid(key), _NAMED_KEY.fullmatch(key)
        for option_set in self._environment.catalog.option_sets.values():
            if by_id == global_option_set_shape(option_set)["MetadataId"] or (match and match[2] == option_set.name):
                return option_set
        raise DataverseError(404, "0x80060888", f"Could not find an option set with the key '{key}'.")

    # Answers.

    def _expand(self, shape: Shape, name: str) -> Any:
        if "EntityLogicalName" not in shape:
            table = self._environment.catalog.tables[shape["LogicalName"]]
            if name == "Attributes":
                return self._attribute_shapes(table)
            if name == "Keys":
                return [key_shape(table, key) for key in table.data.keys]
            if name in _RELATIONSHIPS:
                return self._related(table, name)
            raise errors.bad_query(f"Could not find a property named '{name}' on the metadata type.")
        table = self._environment.catalog.tables[shape["EntityLogicalName"]]
        column = table.columns[shape["LogicalName"]]
        if not is_choice(column) or name not in ("OptionSet", "GlobalOptionSet"):
            raise errors.bad_query(f"Could not find a property named '{name}' on the metadata type.")
        shared = column.option_set
        if name == "GlobalOptionSet":
            return (
                _without_type(global_option_set_shape(self._environment.catalog.option_sets[shared]))
                if shared
                else None
            )
        if shared:
            return _without_type(global_option_set_shape(self._environment.catalog.option_sets[shared]))
        found = option_set_shape(table, column)
        return with_default_status(table, found) if column.type == "State" else found

    def _list(self, path: str, shapes: list[Shape], options: dict[str, str]) -> Answer:
        value = answer_list(shapes, options, self._expand)
        return answers.json_body(
            {"@odata.context": f"{self._call.root}/$metadata#{path}{_listed(options)}", "value": value}
        )

    def _one(self, path: str, shape: Shape) -> Answer:
        return answers.json_body({"@odata.context": f"{self._call.root}/$metadata#{path}", **shape})

    def _made(self, path: str) -> Answer:
        return answers.no_content({"OData-EntityId": self._call.url(path)})

    def _body(self) -> Any:
        return body_of(self._request)

    def _only(self, method: str) -> None:
        if self._request.method != method:
            raise errors.no_route(self._request.method, self._request.path)


def _without_type(shape: Shape) -> Shape:
    return {name: value for name, value in shape.items() if name != "@odata.type"}


def _is_cast(name: str) -> bool:
    return name == "Microsoft.Dynamics.CRM.OptionSetMetadata"


def _listed(options: dict[str, str]) -> str:
    names = ",".join(
        part for part in (options.get("$select", ""), options.get("$expand", "").replace("$select=", "")) if part
    )
    return f"({names})" if names else ""
