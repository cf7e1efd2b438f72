"""The Dataverse service: requests find their way to what carries them out, each in a transaction of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from twinrow.sandbox.dataverse import answers, batch, bulk, errors
from twinrow.sandbox.dataverse.addresses import Segment, segments_of, split_root
from twinrow.sandbox.dataverse.batch import ChangeSet, Operation
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.changes import ChangeReader
from twinrow.sandbox.dataverse.csdl import csdl
from twinrow.sandbox.dataverse.direct_rows import table_rows, write_row
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.errors import DataverseError
from twinrow.sandbox.dataverse.filters import add_functions
from twinrow.sandbox.dataverse.functions import call_action, call_function
from twinrow.sandbox.dataverse.metadata import METADATA_SETS, MetadataOperations
from twinrow.sandbox.dataverse.metadata_actions import call_metadata_action
from twinrow.sandbox.dataverse.preferences import Preferences, read_preferences
from twinrow.sandbox.dataverse.protection import Protection
from twinrow.sandbox.dataverse.queries import Reader
from twinrow.sandbox.dataverse.questions import Source
from twinrow.sandbox.dataverse.references import content_reference
from twinrow.sandbox.dataverse.rows import RowOperations, body_of
from twinrow.sandbox.dataverse.sample_rows import load_sample
from twinrow.sandbox.dataverse.setting_up import fill, user_id
from twinrow.sandbox.dataverse.values import guid
from twinrow.sandbox.dataverse.webhooks import deliver
from twinrow.sandbox.http import Answer, Request
from twinrow.sandbox.sign_in import Caller
from twinrow.sandbox.surroundings import Surroundings

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_URL_LIMIT = 32 * 1024
_URL_LIMIT_IN_BATCH = 64 * 1024
_CRM = "Microsoft.Dynamics.CRM."


class DataverseService:
    """One environment behind the Web API."""

    name = "dataverse"

    def __init__(self, surroundings: Surroundings) -> None:
        self.connection = surroundings.connection
        self._environment = Environment(surroundings)
        self.switches = self._environment.switches
        self._sign_in = surroundings.sign_in
        self._protection = Protection(surroundings.clock, self.switches)
        add_functions(self.connection)
        self._open()

    def _open(self) -> None:
        self._environment.load()
        if not self._environment.organization_id:
            self._environment.storage.begin()
            fill(self._environment, self._sign_in.clients.values())
            self._environment.storage.commit()

    # What control asks for.

    def reset(self) -> None:
        """Begin with a new environment."""
        self._environment.storage.empty()
        self._protection.clear()
        self._open()

    def reload(self) -> None:
        """Read anew what is held in memory."""
        self._environment.load()

    def table_rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        return table_rows(self._environment, table)

    def write_row(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """Write a row directly."""
        return self._whole(lambda: write_row(self._environment, table, row))

    def load_sample(self, customers: int, seed: int) -> dict[str, int]:
        """Fill in the sample company's users and the partners that only the CRM knows."""
        self._environment.obey_switches()
        return self._whole(lambda: load_sample(self._environment, customers, seed))

    def _whole(self, work: Callable[[], T]) -> T:
        self._environment.storage.begin()
        try:
            done = work()
        except BaseException:
            self._undo(self._environment.catalog.version, self._environment.storage.rollback)
            raise
        self._environment.storage.commit()
        self._environment.forget()
        return done

    # Requests.

    def answer(self, request: Request) -> Answer:
        """Carry out one request of the Web API."""
        caller = self._sign_in.caller(request)
        if caller is None:
            error = {"error": {"code": "0x8004a101", "message": "The ticket is missing, invalid or has expired."}}
            return self._sign_in.refusal(request, error)
        started = time.perf_counter()
        preferences = Preferences()
        try:
            self._environment.obey_switches()
            preferences = read_preferences(request.headers.get("prefer"))
            user = user_id(caller.client_id)
            self._protection.check(user, request.in_flight)
            answer = self._transacted(request, self._call(caller, request), preferences)
            self._protection.count(user, time.perf_counter() - started)
            answer.headers.update(self._protection.headers(user))
        except DataverseError as error:
            return self._refusal(error, preferences)
        except Exception:
            _LOG.exception("%s %s could not be carried out", request.method, request.path)
            return self._refusal(errors.unexpected(), preferences)
        return answer

    def _refusal(self, error: DataverseError, preferences: Preferences) -> Answer:
        return answers.refusal(error, preferences, classic_codes=bool(self.switches["classic_error_codes"]))

    def _call(self, caller: Caller, request: Request) -> Call:
        """Who acts: the application's user, or whom it impersonates. Raises DataverseError."""
        root, _ = split_root(request.path)
        actual = user_id(caller.client_id)
        user, behalf = actual, None
        impersonated = request.headers.get("callerobjectid")
        column = "azureactivedirectoryobjectid"
        if impersonated is None:
            impersonated, column = request.headers.get("mscrmcallerid"), "systemuserid"
        if impersonated is not None:
            user, behalf = self._user(column, guid(impersonated)), actual
        row = self._environment.storage.execute("SELECT isdisabled FROM systemuser WHERE systemuserid = ?", (user,))
        known = row.fetchone()
        if known is None or known[0]:
            raise DataverseError(
                403, "0x80040225", f"The specified user(Id = {user}) is disabled. Consider enabling this user."
            )
        return Call(user, behalf, self._environment.now(), request.root + root)

    def _user(self, column: str, key: str | None) -> str:
        sql = f"SELECT systemuserid FROM systemuser WHERE {column} = ?"  # noqa: S608 -- one of two columns
        row = self._environment.storage.execute(sql, (key,)).fetchone()
        if row is None:
            raise DataverseError(403, "0x80040220", f"The user to impersonate ({column} = {key}) does not exist.")
        return str(row[0])

    def _transacted(self, request: Request, call: Call, preferences: Preferences) -> Answer:
        storage, catalog = self._environment.storage, self._environment.catalog
        _, rest = split_root(request.path)
        if request.method == "POST" and rest == "$batch":
            return self._batch(request, call, preferences)
        _check_length(request, _URL_LIMIT)
        if request.method == "GET":
            return self._route(request, call, rest)
        before = catalog.version
        storage.begin()
        try:
            answer = self._route(request, call, rest)
        except BaseException:
            self._undo(before, storage.rollback)
            raise
        storage.commit()
        deliver(self._environment, call)
        return answer

    def _undo(self, version: int, undo: Callable[[], None]) -> None:
        """Undo writes, and forget what memory had learned from them."""
        undo()
        self._environment.notices.noted.clear()
        if self._environment.catalog.version != version:
            self._environment.catalog.load()
        self._environment.forget()
        self._environment.read_subscriptions()

    # Batches.

    def _batch(self, request: Request, call: Call, preferences: Preferences) -> Answer:
        parts = batch.parse(request)
        storage, version = self._environment.storage, self._environment.catalog.version
        storage.begin()
        try:
            answer = batch.run(
                parts,
                lambda operation: self._one(operation, call),
                lambda change_set: self._together(change_set, call),
                go_on=preferences.continue_on_error,
                bare_errors=bool(self.switches["bare_change_set_errors"]),
            )
        except BaseException:
            self._undo(version, storage.rollback)
            raise
        storage.commit()
        deliver(self._environment, call)
        answer.headers.update(preferences.echo("odata.continue-on-error"))
        return answer

    def _one(self, operation: Operation, call: Call) -> Answer:
        storage, version = self._environment.storage, self._environment.catalog.version
        storage.savepoint()
        try:
            answer = self._inner(operation.request, call)
        except DataverseError as error:
            self._undo(version, storage.undo)
            return self._refusal(error, self._preferences_of(operation.request))
        storage.release()
        return answer

    def _together(self, change_set: ChangeSet, call: Call) -> tuple[list[tuple[str | None, Answer]], Answer | None]:
        storage, version = self._environment.storage, self._environment.catalog.version
        inner_call = Call(call.user, call.on_behalf_of, call.now, call.root)
        done: list[tuple[str | None, Answer]] = []
        storage.savepoint()
        for operation in change_set.operations:
            try:
                if operation.request.method == "GET":
                    raise errors.bad_query("A change set cannot hold a GET request.")
                answer = self._inner(operation.request, inner_call)
            except DataverseError as error:
                self._undo(version, storage.undo)
                refusal = self._refusal(error, self._preferences_of(operation.request))
                return [], refusal
            if operation.content_id is not None and "OData-EntityId" in answer.headers:
                entity = answer.headers["OData-EntityId"].removeprefix(inner_call.root)
                inner_call.content_ids[f"${operation.content_id}"] = entity
            done.append((operation.content_id, answer))
        storage.release()
        return done, None

    def _preferences_of(self, request: Request) -> Preferences:
        try:
            return read_preferences(request.headers.get("prefer"))
        except DataverseError:
            return Preferences()

    def _inner(self, request: Request, call: Call) -> Answer:
        _check_length(request, _URL_LIMIT_IN_BATCH)
        if request.path.startswith("$"):
            rest = content_reference(call, request.path).removeprefix("/")
        else:
            root, rest = split_root(request.path)
            call = Call(call.user, call.on_behalf_of, call.now, request.root + root, call.content_ids)
        if rest == "$batch":
            raise errors.bad_query("A batch cannot hold another one.")
        return self._route(request, call, rest)

    # One operation.

    def _route(self, request: Request, call: Call, rest: str) -> Answer:
        environment = self._environment
        preferences = read_preferences(request.headers.get("prefer"))
        segments = segments_of(rest)
        options = request.parameters() if request.query else {}
        if not segments:
            return self._service_document(request, call)
        first = segments[0]
        table = environment.catalog.sets.get(first.name)
        if table is not None:
            operations = RowOperations(environment, call, preferences, request)
            if first.key is None:
                return self._on_set(request, call, preferences, table, segments[1:], options, operations)
            if len(segments) == 1:
                return operations.on_row(table, first.key, options)
            return operations.below_row(table, first.key, segments[1:], options, request.query)
        if first.name == "$metadata" and request.method == "GET":
            return csdl(environment)
        if first.name in METADATA_SETS:
            return MetadataOperations(environment, call, request).answer(segments, options)
        return self._unbound(request, call, first, options)

    def _unbound(self, request: Request, call: Call, first: Segment, options: dict[str, str]) -> Answer:
        environment, name = self._environment, first.name.removeprefix(_CRM)
        if request.method == "GET":
            answer = call_function(environment, call, name, first.key, options)
        else:
            body = body_of(request) if request.body else {}
            answer = call_action(environment, call, name, body) or call_metadata_action(environment, call, name, body)
            if answer is None and call_function(environment, call, name, first.key, options) is not None:
                raise errors.not_the_method(request.root + request.path)
        if answer is None:
            raise errors.unknown_segment(first.name)
        return answer

    def _on_set(
        self,
        request: Request,
        call: Call,
        preferences: Preferences,
        table: Table,
        rest: list[Segment],
        options: dict[str, str],
        operations: RowOperations,
    ) -> Answer:
        method, environment = request.method, self._environment
        names = [segment.name for segment in rest]
        if method == "GET":
            return self._read_set(call, preferences, table, names, options, request.query)
        if method == "POST" and not names:
            return operations.create(table, options)
        if method == "POST" and len(names) == 1 and names[0].startswith(_CRM):
            body = body_of(request)
            match names[0].removeprefix(_CRM):
                case "CreateMultiple":
                    ids = bulk.create_multiple(environment, call, table, body)
                    context = f"{call.root}/$metadata#{_CRM}CreateMultipleResponse"
                    return answers.json_body({"@odata.context": context, "Ids": ids})
                case "UpdateMultiple":
                    bulk.update_multiple(environment, call, table, body)
                    return answers.no_content()
                case "UpsertMultiple":
                    bulk.upsert_multiple(environment, call, table, body)
                    return answers.no_content()
                case "DeleteMultiple":
                    raise DataverseError(501, "0x80040800", "DeleteMultiple has not yet been implemented.")
        if names:
            raise errors.unknown_segment(names[0])
        raise errors.no_route(method, request.path)

    def _read_set(
        self,
        call: Call,
        preferences: Preferences,
        table: Table,
        names: list[str],
        options: dict[str, str],
        query: str,
    ) -> Answer:
        reader, source = Reader(self._environment, call, preferences), Source(table, table.set)
        tracking = (
            preferences.track_changes
            or "$deltatoken" in options
            or 'istracking="True"' in options.get("$skiptoken", "")
        )
        if names == ["$count"]:
            if "$deltatoken" in options:
                return answers.number(ChangeReader(self._environment, call, preferences, table).count(options))
            return answers.number(reader.count(source, options))
        if names:
            raise errors.unknown_segment(names[0])
        headers = preferences.echo("odata.maxpagesize", "odata.include-annotations", "odata.track-changes")
        if tracking:
            changes = ChangeReader(self._environment, call, preferences, table)
            return answers.json_body(changes.page(options, query), headers=headers)
        return answers.json_body(reader.page(source, options, query), headers=headers)

    def _service_document(self, request: Request, call: Call) -> Answer:
        if request.method != "GET":
            raise errors.no_route(request.method, request.path)
        sets = sorted(self._environment.catalog.sets)
        value = [{"name": name, "kind": "EntitySet", "url": name} for name in sets]
        return answers.json_body({"@odata.context": f"{call.root}/$metadata", "value": value})


def _check_length(request: Request, limit: int) -> None:
    if len(request.path) + len(request.query) > limit:
        raise DataverseError(414, "0x80060888", "The request URL is too long.")
