"""Operations on one row: read, change, make or change, delete, and what hangs on it (properties, related rows).

The conditional requests are decided here: `If-Match` and `If-None-Match` with `*` or with a version.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from twinrow.sandbox.dataverse import answers, errors
from twinrow.sandbox.dataverse.addresses import Segment
from twinrow.sandbox.dataverse.catalog import Navigation, Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.expanding import Expander
from twinrow.sandbox.dataverse.preferences import FORMATTED, LOOKUP_NAME, NAVIGATION, Preferences
from twinrow.sandbox.dataverse.queries import Reader
from twinrow.sandbox.dataverse.questions import check_options, related_source, selected_names
from twinrow.sandbox.dataverse.references import find_by_key, parse
from twinrow.sandbox.dataverse.schema import Column, ManyToMany, ManyToOne
from twinrow.sandbox.dataverse.selecting import context, read_row
from twinrow.sandbox.dataverse.storage import type_column
from twinrow.sandbox.dataverse.values import guid
from twinrow.sandbox.dataverse.writing import create, delete, link, set_navigation, unlink, update
from twinrow.sandbox.http import Answer, Request, decode_json

_ETAG = re.compile(r'(?:W/)?"(\d+)"')
_REFERENCED = re.compile(r"(?:.*/)?\w+\(([0-9a-fA-F-]{36})\)")


class RowOperations:
    """Carries out operations on single rows for one call."""

    def __init__(self, environment: Environment, call: Call, preferences: Preferences, request: Request) -> None:
        self._environment = environment
        self._call = call
        self._preferences = preferences
        self._request = request

    # The row itself.

    def create(self, table: Table, options: dict[str, str]) -> Answer:
        """POST to an entity set."""
        key = create(self._environment, self._call, table, self._body())
        return self._created(table, key, options)

    def on_row(self, table: Table, key_text: str, options: dict[str, str]) -> Answer:
        """GET, PATCH or DELETE of a row. Raises DataverseError."""
        method = self._request.method
        if method == "PATCH":
            return self._patch(table, key_text, options)
        key = self.find(table, key_text)
        if method == "GET":
            return self._get(table, key, options)
        if method == "DELETE":
            self._check_version(table, key)
            delete(self._environment, self._call, table, key)
            return answers.no_content()
        raise errors.no_route(method, self._request.path)

    def find(self, table: Table, key_text: str) -> str:
        """The id of the row that a URL names; whether an id exists is left open. Raises DataverseError."""
        key = guid(key_text) or parse(table, key_text)
        if isinstance(key, str):
            return key
        found = find_by_key(self._environment, table, key)
        if found is None:
            raise errors.row_missing_by_key(table.name)
        return found

    def _get(self, table: Table, key: str, options: dict[str, str]) -> Answer:
        check_options(options)
        expand = options.get("$expand", "")
        preferences = self._preferences
        version = self._environment.storage.version_of(table, key)
        if version is None:
            raise errors.row_missing(table.name, key)
        wanted = self._header("if-none-match")
        conditional = wanted is not None and not expand and not preferences.annotations
        if conditional and wanted == f'W/"{version}"' and self._environment.checks_versions(table.name):
            return answers.not_modified()
        row, selected, names = self._read(table, key, options)
        body = {"@odata.context": context(self._call.root, table, selected or (), names, single=True)}
        headers = {"ETag": f'W/"{version}"', **preferences.echo("odata.include-annotations")}
        return answers.json_body(body | row, headers=headers)

    def _read(
        self, table: Table, key: str, options: dict[str, str]
    ) -> tuple[dict[str, Any], tuple[str, ...] | None, list[str]]:
        selected = selected_names(options)
        row, plan, _ = read_row(self._environment, table, key, selected, self._preferences)
        text = options.get("$expand", "")
        if not text:
            return row, selected, []
        expander = Expander(self._environment, self._call, self._preferences, plan, text)
        row, _, raw = read_row(self._environment, table, key, selected, self._preferences)
        expander.fill([row], [raw])
        return row, selected, expander.context_names

    def _patch(self, table: Table, key_text: str, options: dict[str, str]) -> Answer:
        environment, call = self._environment, self._call
        parsed = guid(key_text) or parse(table, key_text)
        alternate = parsed if isinstance(parsed, dict) else None
        key = parsed if isinstance(parsed, str) else find_by_key(environment, table, parsed)
        version = environment.storage.version_of(table, key) if key is not None else None
        if version is None or key is None:
            if self._header("if-match") is not None:
                raise errors.row_missing(table.name, key) if key else errors.row_missing_by_key(table.name)
            made = create(environment, call, table, self._body(), key=key, given=alternate)
            if self._preferences.representation:
                return self._represented(201, table, made, options)
            return self._named(table, made if alternate is None else None, key_text)
        if self._header("if-none-match") == "*":
            raise errors.row_exists()
        self._match_version(table, version)
        update(environment, call, table, key, self._body(), ignored=frozenset(alternate or ()))
        if self._preferences.representation:
            return self._represented(200, table, key, options)
        return self._named(table, key if alternate is None else None, key_text)

    def _check_version(self, table: Table, key: str) -> None:
        version = self._environment.storage.version_of(table, key)
        if version is None:
            raise errors.row_missing(table.name, key)
        self._match_version(table, version)

    def _match_version(self, table: Table, version: int) -> None:
        wanted = self._header("if-match")
        if wanted is None or wanted == "*":
            return
        if not self._environment.checks_versions(table.name):
            raise errors.concurrency_off(table.name)
        match = _ETAG.fullmatch(wanted)
        if match is None or int(match[1]) != version:
            raise errors.version_differs()

    def _header(self, name: str) -> str | None:
        value = self._request.headers.get(name)
        # The literal word is what Microsoft's own examples send to keep caches away.
        return None if value is None or value == "null" else value.strip()

    def _body(self) -> Any:
        return body_of(self._request)

    def _created(self, table: Table, key: str, options: dict[str, str]) -> Answer:
        if self._preferences.representation:
            return self._represented(201, table, key, options)
        address = self._call.url(f"{table.set}({key})")
        return answers.no_content({"Location": address, "OData-EntityId": address})

    def _named(self, table: Table, key: str | None, key_text: str) -> Answer:
        if not self._environment.switches["entity_id_on_patch"]:
            return answers.no_content()
        shown = key if key is not None else quote(key_text, safe="=',()")
        return answers.no_content({"OData-EntityId": self._call.url(f"{table.set}({shown})")})

    def _represented(self, status: int, table: Table, key: str, options: dict[str, str]) -> Answer:
        row, selected, names = self._read(table, key, options if status == 201 else {**options, "$expand": ""})
        body = {"@odata.context": context(self._call.root, table, selected or (), names, single=True)}
        headers = self._preferences.echo("return", "odata.include-annotations")
        return answers.json_body(body | row, status, headers)

    # What hangs on a row.

    def below_row(
        self, table: Table, key_text: str, rest: list[Segment], options: dict[str, str], query: str
    ) -> Answer:
        """A path that goes on behind a row: a property, or related rows. Raises DataverseError."""
        key = self.find(table, key_text)
        first = rest[0]
        if first.key is None and first.name in table.properties:
            return self._property(table, key, table.properties[first.name], rest[1:])
        if first.name in table.navigations:
            return self._navigation(table, key, table.navigations[first.name], rest[1:], options, query)
        if first.name in table.collections:
            return self._collection(table, key, table.collections[first.name], rest, options, query)
        raise errors.unknown_segment(first.name)

    def _property(self, table: Table, key: str, column: Column, rest: list[Segment]) -> Answer:
        name, method = column.property_name, self._request.method
        if method == "GET":
            row, _, _ = read_row(self._environment, table, key, (name,), self._preferences)
            value = row[name]
            if value is None:
                return answers.no_content()
            if rest and rest[0].name == "$value":
                return answers.text(str(value))
            shown: dict[str, Any] = {"@odata.context": f"{self._call.root}/$metadata#{table.set}({key})/{name}"}
            annotations = (FORMATTED, LOOKUP_NAME, NAVIGATION)
            shown |= {f"@{a}": row[f"{name}@{a}"] for a in annotations if f"{name}@{a}" in row}
            return answers.json_body({**shown, "value": value})
        if method not in ("PUT", "DELETE") or rest:
            raise errors.no_route(method, self._request.path)
        self._check_version(table, key)
        body: Any = self._body() if method == "PUT" else {"value": None}
        if not isinstance(body, dict) or "value" not in body:
            raise errors.bad_payload(table.set, "The value of a property must be given as an object with 'value'.")
        update(self._environment, self._call, table, key, {column.name: body["value"]}, ignored=frozenset())
        return answers.no_content()

    def _navigation(
        self,
        table: Table,
        key: str,
        navigation: Navigation,
        rest: list[Segment],
        options: dict[str, str],
        query: str,
    ) -> Answer:
        method = self._request.method
        if rest and rest[0].name == "$ref" and method in ("PUT", "DELETE"):
            self._check_version(table, key)
            reference = self._reference() if method == "PUT" else None
            set_navigation(self._environment, self._call, table, key, navigation, reference)
            return answers.no_content()
        if method != "GET":
            raise errors.no_route(method, self._request.path)
        names = [navigation.column.name]
        names += [type_column(navigation.column)] if navigation.column.polymorphic else []
        row = self._environment.storage.fetch(table, key, names)
        if row is None:
            raise errors.row_missing(table.name, key)
        kind = row[names[1]] if len(names) > 1 else navigation.targets[0]
        related = row[names[0]] if kind in navigation.targets else None
        if related is None:
            return answers.no_content()
        target = self._environment.catalog.tables[kind]
        if not rest:
            return self._get(target, related, options)
        if rest[0].name == "$ref":
            body = {"@odata.context": f"{self._call.root}/$metadata#$ref"}
            return answers.json_body(body | {"@odata.id": self._call.url(f"{target.set}({related})")})
        return self.below_row(target, related, rest, options, query)

    def _collection(
        self,
        table: Table,
        key: str,
        relationship: ManyToOne | ManyToMany,
        rest: list[Segment],
        options: dict[str, str],
        query: str,
    ) -> Answer:
        environment, call, method = self._environment, self._call, self._request.method
        if not environment.storage.exists(table, key):
            raise errors.row_missing(table.name, key)
        collection, behind = rest[0], rest[1:]
        path = f"{table.set}({key})/{collection.name}"
        reader = Reader(environment, call, self._preferences)
        source = related_source(environment, table, relationship, [key], path)
        match method, [segment.name for segment in behind]:
            case "GET", [] if collection.key is None:
                headers = self._preferences.echo("odata.maxpagesize", "odata.include-annotations")
                return answers.json_body(reader.page(source, options, query), headers=headers)
            case "GET", ["$count"]:
                return answers.number(reader.count(source, options))
            case "GET", ["$ref"]:
                page = reader.page(source, {**options, "$select": source.table.id, "$expand": ""}, query)
                links = [
                    {"@odata.id": call.url(f"{source.table.set}({row[source.table.id]})")} for row in page["value"]
                ]
                context_url = f"{call.root}/$metadata#Collection($ref)"
                return answers.json_body({**page, "@odata.context": context_url, "value": links})
            case "POST", ["$ref"]:
                link(environment, call, table, key, relationship, self._reference())
                return answers.no_content()
            case "DELETE", ["$ref"]:
                unlink(environment, call, table, key, relationship, self._unlinked(collection, options))
                return answers.no_content()
            case "POST", []:
                made = create(environment, call, source.table, self._body())
                link(environment, call, table, key, relationship, f"/{source.table.set}({made})")
                return self._created(source.table, made, options)
        raise errors.no_route(method, self._request.path)

    def _reference(self) -> Any:
        body = self._body()
        if not isinstance(body, dict) or "@odata.id" not in body:
            raise errors.bad_argument("A reference must be given as an object with '@odata.id'.", "0x80060888")
        return body["@odata.id"]

    def _unlinked(self, collection: Segment, options: dict[str, str]) -> str:
        named = collection.key
        if named is None:
            match = _REFERENCED.fullmatch(options.get("$id", ""))
            named = match[1] if match else None
        key = guid(named)
        if key is None:
            raise errors.bad_argument("Which row to disassociate must be said by its id.", "0x80060888")
        return key


def body_of(request: Request) -> Any:
    """The JSON body of a request. Raises DataverseError when there is none, or it is broken."""
    try:
        return decode_json(request.body)
    except ValueError as error:
        raise errors.bad_payload("", f"Microsoft.OData.ODataException: {error}") from None
