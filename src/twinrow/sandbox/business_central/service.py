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
from twinrow.sandbox.business_central.limits import Limits
from twinrow.sandbox.business_central.metadata import environments, no_environment
from twinrow.sandbox.business_central.operation import Operation, Outcome, json_outcome, operation_of, refused
from twinrow.sandbox.business_central.reading import Reader
from twinrow.sandbox.business_central.routing import Routing
from twinrow.sandbox.business_central.sample import load_sample
from twinrow.sandbox.business_central.schema import STANDARD, SYNC, load_schema
from twinrow.sandbox.business_central.settings import DEFAULT_COMPANY, NOBODY, Settings
from twinrow.sandbox.business_central.store import Row, Store
from twinrow.sandbox.business_central.tables import table_rows, write_row
from twinrow.sandbox.business_central.wire import ZERO_GUID
from twinrow.sandbox.business_central.writing import Writer
from twinrow.sandbox.http import Answer, Request
from twinrow.sandbox.odata.errors import FilterSyntaxError, ODataError, UnsupportedExpression
from twinrow.sandbox.sign_in import Caller
from twinrow.sandbox.surroundings import Surroundings

ENVIRONMENT = "sandbox"
ROUTES = {("v2.0",): STANDARD, ("twinrow", "sync", "v1.0"): SYNC}

_USERS = uuid.UUID("5f0c0f6e-6f0a-4c55-9d6e-0d6a4f3c9b11")


class _NoEnvironment(Exception):
    """The address names an environment that does not exist."""


class BusinessCentral:
    """The service: one environment with its companies."""

    name = "business-central"

    def __init__(self, surroundings: Surroundings) -> None:
        self.connection = surroundings.connection
        self.switches = Settings()
        self.schema = load_schema()
        self.store = Store(surroundings.connection, surroundings.clock, self.schema)
        self.companies: dict[str, Company] = {}
        self._sign_in = surroundings.sign_in
        self._limits = Limits(surroundings.clock)
        self._reader = Reader(self.store)
        self._writer = Writer(self.store, self._reader)
        self._routing = Routing(self.store, self.companies, self._reader, self._writer)
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
        self.companies.clear()
        self.companies.update((name, Company(self.store, name, company_id)) for name, company_id in found.fetchall())
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
        for name in switches.company_names:
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
        self._reader.page_size = switches.page_size
        self._writer.chosen_ids = bool(switches["chosen_ids"])

    def _create_company(self, name: str) -> None:
        self.store.create_company_tables(name)
        with self.store.transaction(ZERO_GUID):
            company = Company(self.store, name, ZERO_GUID)
            row = {"Name": name, "Display Name": name}
            if name == DEFAULT_COMPANY.name:
                row["SystemId"] = DEFAULT_COMPANY.id
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
        return self.store.transaction(user, long=self.switches.holds(caller.client_id))

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
            if operation.method == "GET":
                return self._routing.carry_out(operation, route)
            if operation.headers.get("data-access-intent", "").lower() == "readonly":
                raise errors.bad_request("Data-Access-Intent: ReadOnly is only allowed on GET requests.")
            with self._transaction(operation.caller) if final is None else self.store.part(final=final):
                return self._routing.carry_out(operation, route)
        except errors.Refusal as refusal:
            return refused(refusal)
        except UnsupportedExpression as error:
            return refused(errors.not_implemented(str(error)))
        except FilterSyntaxError as error:
            return refused(errors.query_syntax(str(error)))
        except ODataError as error:
            return refused(errors.bad_request(str(error)))


class _RolledBack(Exception):
    """A batch in one transaction failed; `outcome` is what its caller is told all the same."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def _answer(outcome: Outcome) -> Answer:
    return Answer(outcome.status, outcome.headers, outcome.body)
