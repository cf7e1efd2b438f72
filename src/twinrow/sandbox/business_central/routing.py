"""From the segments of an address to who carries the operation out: entity sets, rows, what lies below them.

Entity sets are found in any case. What belongs to a company is reached through it (`companies(id)/customers`), or
with the company named beside (`customers?company=id`, or the header `Company` in a batch).
"""

from __future__ import annotations

from collections.abc import Mapping

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.metadata import entity_definitions, metadata, service_document
from twinrow.sandbox.business_central.operation import Operation, Outcome, Segment, json_outcome
from twinrow.sandbox.business_central.reading import Reader, check_options
from twinrow.sandbox.business_central.schema import Page
from twinrow.sandbox.business_central.store import Store
from twinrow.sandbox.business_central.writing import Writer


class Routing:
    """Finds what an operation asks for, and has it done."""

    def __init__(self, store: Store, companies: Mapping[str, Company], reader: Reader, writer: Writer) -> None:
        self._store = store
        self._schema = store.schema
        self._companies_by_name = companies
        self._reader = reader
        self._writer = writer

    def carry_out(self, operation: Operation, route: str) -> Outcome:
        """Carry out an operation on one of the routes."""
        match operation.segments:
            case []:
                return json_outcome(200, service_document(operation.root, route, self._schema))
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
        for company in self._companies_by_name.values():
            if named.lower() in (company.id, company.name.lower()):
                return company
        raise errors.Refusal(404, "Internal_CompanyNotFound", f"The company '{named}' cannot be found.")

    def _companies(self, operation: Operation, route: str, segment: Segment) -> Outcome:
        page = self._schema.pages[route]["companies"]
        if operation.method != "GET":
            raise errors.method_not_allowed(operation.method, "companies")
        context = f"{operation.root}/$metadata#companies"
        if segment.key is None:
            return self._reader.collection(operation, page, next(iter(self._companies_by_name.values())), context)
        company = self._company(segment.row_id)
        return self._reader.single(operation, page, company, company.id, f"{context}/$entity")

    def _in_company(self, operation: Operation, route: str, company: Company, segments: list[Segment]) -> Outcome:
        page = self._schema.pages[route].get(segments[0].name.lower())
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
            "minimumActiveRowVersion": self._store.minimum_active_version,
            "lastUsedRowVersion": self._store.last_version,
        }
        match operation.segments[-1]:
            case Segment(key=None):
                return json_outcome(200, {"@odata.context": context, "value": [state]})
            case Segment() as segment if segment.row_id == company.id:
                return json_outcome(200, {"@odata.context": f"{context}/$entity", **state})
        raise errors.record_not_found(page.entity_set, {"SystemId": operation.segments[-1].key})

    def _entity_definitions(self, operation: Operation, route: str) -> Outcome:
        pages = [page for page in self._schema.pages[route].values() if page.entity_set != "companies"]
        wanted = operation.options.get("$filter", "").replace(" ", "")
        if wanted:
            pages = [
                page
                for page in pages
                if wanted in (f"entitySetNameeq'{page.entity_set}'", f"entityNameeq'{page.entity}'")
            ]
        return json_outcome(200, entity_definitions(operation.root, pages))
