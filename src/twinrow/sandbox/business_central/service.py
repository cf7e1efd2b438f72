"""The Business Central server: addresses, companies, switches, and who carries out what.

Words: a *route* is one API below the environment: the standard API v2.0, or Twinrow's own pages, which a site has
only when the extension is installed (switch `custom_route`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.batch import Part, batch_parts, carry_out, carry_out_isolated
from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.company_setup import add, set_up
from twinrow.sandbox.business_central.limits import DEFAULT_LIMITS, Limits
from twinrow.sandbox.business_central.metadata import (
    entity_definitions,
    environments,
    metadata,
    no_environment,
    service_document,
)
from twinrow.sandbox.business_central.operation import (
    Operation,
    Outcome,
    Segment,
    json_outcome,
    operation_of,
    refused,
)
from twinrow.sandbox.business_central.reading import Reader, check_options
from twinrow.sandbox.business_central.sample import load_sample
from twinrow.sandbox.business_central.schema import STANDARD, SYNC, Page, load_schema
from twinrow.sandbox.business_central.store import Row, Store
from twinrow.sandbox.business_central.tables import table_rows, write_row
from twinrow.sandbox.business_central.wire import ZERO_GUID
from twinrow.sandbox.business_central.writing import Writer
from twinrow.sandbox.http import Answer, Request
from twinrow.sandbox.odata.errors import FilterSyntaxError, ODataError, UnsupportedExpression
from twinrow.sandbox.sample import sample_company
from twinrow.sandbox.sign_in import Caller
from twinrow.sandbox.surroundings import Surroundings
from twinrow.sandbox.switches import Switches

ENVIRONMENT = "sandbox"
_SAMPLE = sample_company(0, 0)
DEFAULT_COMPANY = _SAMPLE.name
ROUTES = {("v2.0",): STANDARD, ("twinrow", "sync", "v1.0"): SYNC}

# Whose rows the long transaction holds: nobody's, everybody's, or those of one application by its client id.
NOBODY, EVERYBODY = "", "*"

_USERS = uuid.UUID("5f0c0f6e-6f0a-4c55-9d6e-0d6a4f3c9b11")


class _NoEnvironment(Exception):
    """The address names an environment that does not exist."""


class BusinessCentral:
    """The service: one environment with its companies."""

    name = "business-central"

    def __init__(self, surroundings: Surroundings) -> None:
        self.connection = surroundings.connection
        self.switches = Switches(
            {
                "chosen_ids": True,
                "custom_route": True,
                "page_size": 20_000,
                "limits": DEFAULT_LIMITS,
                "long_transaction": NOBODY,
                "manual_numbers": True,
                "contact_creation": True,
                "country_required": False,
                "companies": [DEFAULT_COMPANY],
            }
        )
        self.schema = load_schema()
        self.store = Store(surroundings.connection, surroundings.clock, self.schema)
        self.companies: dict[str, Company] = {}
        self._sign_in = surroundings.sign_in
        self._limits = Limits(surroundings.clock)
        self._reader = Reader(self.store)
        self._writer = Writer(self.store, self.schema, self._reader)
        self._applied: dict[str, object] = {}
        self._user_ids: dict[str, str] = {}
        self.reload()

    # What control does

    def reset(self) -> None:
        """Empty the database, down to companies without any business data."""
        self.store.empty()
        self.reload()

    def reload(self) -> None:
        """The database was replaced: read anew what is kept in memory."""
        self.store.reload()
        self._reader.forget()
        self._limits.forget()
        found = self.connection.execute('SELECT "Name", "SystemId" FROM "Company" ORDER BY "SystemRowVersion"')
        self.companies = {name: Company(self.store, name, company_id) for name, company_id in found.fetchall()}
        self._applied = {}
        self.apply_switches()

    def table_rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table as stored; `company$table` names another company than the first."""
        self.apply_switches()
        return table_rows(self, table)

    def write_row(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """Write a row past all business rules."""
        self.apply_switches()
        return write_row(self, table, row)

    def load_sample(self, customers: int, seed: int) -> dict[str, int]:
        """Fill the first company with sample data."""
        self.apply_switches()
        return load_sample(self.first_company, self.store, customers, seed)

    @property
    def first_company(self) -> Company:
        """The company that is meant when none is named."""
        return next(iter(self.companies.values()))

    def apply_switches(self) -> None:
        """Bring companies, setup and the long transaction in line with the switches."""
        if self.switches == self._applied:
            return
        switches, applied = self.switches, self._applied
        self._applied = {**switches}
        for name in _texts(switches["companies"]):
            if name not in self.companies:
                self._create_company(name)
        setup = ("companies", "manual_numbers", "contact_creation", "country_required")
        if any(switches[name] != applied.get(name) for name in setup):
            with self.store.transaction(ZERO_GUID):
                for company in self.companies.values():
                    self._set_up(company)
        if switches["long_transaction"] == NOBODY:
            self.store.end_long_transaction()
        else:
            self.store.begin_long_transaction()
        self._reader.page_size = int(str(switches["page_size"]))
        self._writer.chosen_ids = bool(switches["chosen_ids"])

    def _create_company(self, name: str) -> None:
        if not 0 < len(name) <= 30 or "$" in name or '"' in name:
            raise ValueError(f"{name!r} cannot be the name of a company: 1 to 30 characters, no $ and no quotes.")
        self.store.create_company_tables(name)
        with self.store.transaction(ZERO_GUID):
            company = Company(self.store, name, ZERO_GUID)
            row = {"Name": name, "Display Name": name}
            if name == DEFAULT_COMPANY:
                row["SystemId"] = _SAMPLE.id
            company.id = add(company, "Company", row)["SystemId"]
            set_up(company)
        self.companies[name] = company

    def _set_up(self, company: Company) -> None:
        relations = {"Bus. Rel. Code for Customers": "CUST", "Bus. Rel. Code for Vendors": "VEND"}
        if not self.switches["contact_creation"]:
            relations = dict.fromkeys(relations, "")
        required = {"Req.Country/Reg. Code in Addr.": int(bool(self.switches["country_required"]))}
        self._update(company, "Marketing Setup", relations)
        self._update(company, "General Ledger Setup", required)
        for series in company.records["No. Series"].all():
            self._update(company, "No. Series", {"Manual Nos.": int(bool(self.switches["manual_numbers"]))}, series)

    def _update(self, company: Company, table: str, values: Row, row: Row | None = None) -> None:
        before = row or company.records.setup(table)
        if any(before[name] != value for name, value in values.items()):
            company.records[table].modify({**before, **values}, before)

    # What clients do

    def answer(self, request: Request) -> Answer:
        """Carry out one request."""
        self.apply_switches()
        caller = self._sign_in.caller(request)
        if caller is None:
            refusal = errors.Refusal(
                401, "Authentication_InvalidCredentials", "The server has rejected the client credentials."
            )
            return self._sign_in.refusal(request, refusal.body())
        try:
            limits = self.switches["limits"]
            if isinstance(limits, dict):
                self._limits.check(limits, caller.client_id, request.in_flight)
            return self._routed(request, caller)
        except _NoEnvironment:
            return Answer(404, {"Content-Type": "application/xml"}, no_environment())
        except errors.Refusal as refusal:
            return _answer(refused(refusal))

    def _routed(self, request: Request, caller: Caller) -> Answer:
        pieces = request.path.strip("/").split("/")
        if pieces == ["environments", "v1.2"]:
            return _answer(json_outcome(200, environments(request.root, ENVIRONMENT)))
        place = next((number for number in (2, 3) if len(pieces) > number and pieces[number] == "api"), None)
        if pieces[0] != "v2.0" or place is None:
            raise errors.segment_not_found(pieces[0])
        if pieces[place - 1].lower() != ENVIRONMENT:
            raise _NoEnvironment
        for address, route in ROUTES.items():
            end = place + 1 + len(address)
            if tuple(pieces[place + 1 : end]) == address and (route == STANDARD or self.switches["custom_route"]):
                root = "/".join([request.root, *pieces[:end]])
                target = "/".join(pieces[end:])
                if target == "$batch":
                    return self._batch(request, root, route, caller)
                target += f"?{request.query}" if request.query else ""
                operation = operation_of(request.method, root, target, request.headers, request.body, caller)
                return _answer(self._execute(operation, route))
        raise errors.segment_not_found(pieces[place + 1] if len(pieces) > place + 1 else "api")

    def _batch(self, request: Request, root: str, route: str, caller: Caller) -> Answer:
        if request.method != "POST":
            raise errors.method_not_allowed(request.method, "$batch")
        parts = batch_parts(request.body)
        operation = operation_of("POST", root, "$batch", request.headers, request.body, caller)
        if (request.header("isolation") or "").lower() == "snapshot":
            outcome = self._isolated_batch(operation, route, parts)
        else:
            with self._transaction(caller):
                outcome = carry_out(operation, parts, partial(self._execute, route=route, final=True))
        answer = _answer(outcome)
        answer.parts = len(parts)
        return answer

    def _isolated_batch(self, operation: Operation, route: str, parts: Sequence[Part]) -> Outcome:
        try:
            with self._transaction(operation.caller):
                execute = partial(self._execute, route=route, final=False)
                outcome, well = carry_out_isolated(operation, parts, execute)
                if not well:
                    raise _RolledBack(outcome)
        except _RolledBack as undone:
            return undone.outcome
        return outcome

    def _transaction(self, caller: Caller) -> AbstractContextManager[None]:
        user = self._user_ids.get(caller.client_id)
        if user is None or user not in self.store.users:
            user = self._know_user(caller)
        holders = self.switches["long_transaction"]
        return self.store.transaction(user, long=holders in (EVERYBODY, caller.client_id))

    def _know_user(self, caller: Caller) -> str:
        user = str(uuid.uuid5(_USERS, caller.client_id))
        with self.store.transaction(ZERO_GUID):
            add(self.first_company, "User", {"User Security ID": user, "User Name": caller.name})
        self.store.users[user] = caller.name
        self._user_ids[caller.client_id] = user
        return user

    def _execute(self, operation: Operation, route: str, final: bool | None = None) -> Outcome:
        """Carry out one operation; one that writes in a transaction, or as a part of one (`final` tells which)."""
        try:
            if operation.method in ("GET", "HEAD"):
                return self._carried_out(operation, route)
            if operation.headers.get("data-access-intent", "").lower() == "readonly":
                raise errors.bad_request("Data-Access-Intent: ReadOnly is only allowed on GET requests.")
            with self._transaction(operation.caller) if final is None else self.store.part(final=final):
                return self._carried_out(operation, route)
        except errors.Refusal as refusal:
            return refused(refusal)
        except UnsupportedExpression as error:
            return refused(errors.not_implemented(str(error)))
        except FilterSyntaxError as error:
            return refused(errors.query_syntax(str(error)))
        except ODataError as error:
            return refused(errors.bad_request(str(error)))

    def _carried_out(self, operation: Operation, route: str) -> Outcome:
        match operation.segments:
            case []:
                return json_outcome(200, service_document(operation.root, route, self.schema))
            case [Segment("$metadata", None)]:
                headers = {"Content-Type": "application/xml", "OData-Version": "4.0"}
                return Outcome(200, headers, metadata(route))
            case [Segment("entityDefinitions", None)]:
                return self._entity_definitions(operation, route)
            case [Segment(name, key), *rest] if name.lower() == "companies":
                if key is None or not rest:
                    return self._companies(operation, route, operation.segments[0])
                return self._in_company(operation, route, self._company(operation.segments[0].row_id), rest)
        named = operation.options.get("company") or operation.headers.get("company")
        if not named:
            raise errors.Refusal(
                400,
                "Internal_CompanyNotFound",
                "Cannot process the request because the default company cannot be found. Name a company in the address, "
                'or with a query string of the form "company=[name]".',
            )
        return self._in_company(operation, route, self._company(named), operation.segments)

    def _company(self, named: str) -> Company:
        for company in self.companies.values():
            if named.lower() in (company.id, company.name.lower()):
                return company
        raise errors.Refusal(404, "Internal_CompanyNotFound", f"The company '{named}' cannot be found.")

    def _companies(self, operation: Operation, route: str, segment: Segment) -> Outcome:
        page = self.schema.pages[route]["companies"]
        if operation.method != "GET":
            raise errors.method_not_allowed(operation.method, "companies")
        context = f"{operation.root}/$metadata#companies"
        if segment.key is None:
            return self._reader.collection(operation, page, self.first_company, context)
        company = self._company(segment.row_id)
        return self._reader.single(operation, page, company, company.id, f"{context}/$entity")

    def _in_company(self, operation: Operation, route: str, company: Company, segments: list[Segment]) -> Outcome:
        page = self.schema.pages[route].get(segments[0].name.lower())
        if page is None or page.entity_set == "companies":
            raise errors.segment_not_found(segments[0].name)
        if page.below_parent:
            raise errors.business_rule("You must specify a parent ID")
        if operation.method not in page.methods:
            raise errors.method_not_allowed(operation.method, page.entity_set)
        base = f"{operation.root}/$metadata#companies({company.id})"
        context = f"{base}/{page.entity_set}"
        if not page.table:
            return self._sync_states(operation, page, company, context)
        match segments:
            case [Segment(key=None)]:
                return self._on_collection(operation, page, company, context)
            case [Segment(key=None), Segment("$count", None)] if operation.method == "GET":
                return self._reader.count(operation, page, company)
            case [Segment() as segment]:
                return self._on_row(operation, page, company, segment.row_id, f"{context}/$entity")
            case [Segment() as segment, Segment(name, None)] if operation.method == "GET" and segment.key is not None:
                return self._reader.related(operation, page, company, segment.row_id, name, base)
        raise errors.segment_not_found(segments[-1].name)

    def _on_collection(self, operation: Operation, page: Page, company: Company, context: str) -> Outcome:
        match operation.method:
            case "GET":
                return self._reader.collection(operation, page, company, context)
            case "POST":
                return self._writer.create(operation, page, company, f"{context}/$entity")
        raise errors.method_not_allowed(operation.method, page.entity_set)

    def _on_row(self, operation: Operation, page: Page, company: Company, row_id: str, context: str) -> Outcome:
        match operation.method:
            case "GET":
                return self._reader.single(operation, page, company, row_id, context)
            case "PATCH":
                return self._writer.update(operation, page, company, row_id, context)
            case "DELETE":
                return self._writer.delete(operation, page, company, row_id)
        raise errors.method_not_allowed(operation.method, page.entity_set)

    def _sync_states(self, operation: Operation, page: Page, company: Company, context: str) -> Outcome:
        check_options(operation.options)
        state = {
            "id": company.id,
            "minimumActiveRowVersion": self.store.minimum_active_version,
            "lastUsedRowVersion": self.store.last_version,
        }
        match operation.segments[-1]:
            case Segment(page.entity_set, None):
                return json_outcome(200, {"@odata.context": context, "value": [state]})
            case Segment(page.entity_set) as segment if segment.row_id == company.id:
                return json_outcome(200, {"@odata.context": f"{context}/$entity", **state})
        raise errors.record_not_found(page.entity_set, {"SystemId": operation.segments[-1].key})

    def _entity_definitions(self, operation: Operation, route: str) -> Outcome:
        pages = [page for page in self.schema.pages[route].values() if page.entity_set != "companies"]
        wanted = operation.options.get("$filter", "").replace(" ", "")
        if wanted:
            pages = [
                page
                for page in pages
                if wanted in (f"entitySetNameeq'{page.entity_set}'", f"entityNameeq'{page.entity}'")
            ]
        return json_outcome(200, entity_definitions(operation.root, pages))


class _RolledBack(Exception):
    """A batch in one transaction failed; `outcome` is what its caller is told all the same."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _answer(outcome: Outcome) -> Answer:
    return Answer(outcome.status, outcome.headers, outcome.body)
