"""Writing: POST, PATCH and DELETE on a page.

Properties are validated in the order in which the body names them, as clients of the service rely on (country before
post code, post code before city). One exception: the type of a new contact comes first, because a name given to a
contact that is not a person yet would not be split.

Source: protocol page, sections 5 and 16; the validation messages of the schema files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.company import Company
from twinrow.sandbox.business_central.operation import Operation, Outcome, json_outcome
from twinrow.sandbox.business_central.reading import Reader
from twinrow.sandbox.business_central.schema import Field, Page, Property
from twinrow.sandbox.business_central.store import Row, Store
from twinrow.sandbox.business_central.table_logic import TableLogic
from twinrow.sandbox.business_central.values import decode_body, guid, stored_value
from twinrow.sandbox.business_central.wire import ZERO_GUID, etag, is_etag

MARK = "Twinrow Sync Mark"

# Tables whose pages want a display name.
_NAMED_TABLES = frozenset({"Customer", "Contact"})
# What a pair is called when the id and the code of a body contradict each other.
_PAIR_WORDS = {
    "Currency": "The currency values do not match to a specific Currency.",
    "Tax Group": "The tax group values do not match to a specific Tax Group.",
    "Item Category": "The item categories values do not match to a specific item category.",
    "Unit of Measure": "The unit of measure values do not match to a specific Unit of Measure.",
}
_ID_WORDS = {"Item Category": "specific Item Category group"}


class Writer:
    """Writes pages of any company. `chosen_ids` says whether the id in a POST is taken."""

    chosen_ids = True

    def __init__(self, store: Store, reader: Reader) -> None:
        self._store = store
        self._reader = reader
        self._properties: dict[int, dict[str, Property]] = {}

    def create(self, operation: Operation, page: Page, company: Company, context: str) -> Outcome:
        """POST: insert a row, 201 with the row as it ended up."""
        values = _body(operation)
        logic = company.logic(page.table)
        row = logic.rows.new()
        given_id = values.pop("id", None)
        if self.chosen_ids and given_id is not None:
            row["SystemId"] = guid(given_id)
        if page.table == "Contact" and "type" in values:
            values = {"type": values["type"], **values}
        self._check_mark(values, page, logic)
        _Assignment(self, page, company, logic, row).assign(values, new=True)
        if page.table in _NAMED_TABLES and row["Name"] == "":
            raise errors.business_rule('A "displayName" must be provided.')
        logic.insert(row)
        entity = self._reader.written(page, company, row, context)
        location = f"{operation.root}/companies({company.id})/{page.entity_set}({row['SystemId']})"
        return json_outcome(201, entity, {"Location": location, "ETag": _tag_of(entity)})

    def update(self, operation: Operation, page: Page, company: Company, row_id: str, context: str) -> Outcome:
        """PATCH: change a row, 200 with the row as it ended up."""
        values = _body(operation)
        logic = company.logic(page.table)
        before = self._row_for_change(operation, logic, row_id)
        row = dict(before)
        _Assignment(self, page, company, logic, row).assign(values, new=False)
        key = logic.table.key[0]
        if row[key] != before[key]:
            logic.rename(row, before)
        else:
            logic.modify(row, before)
        entity = self._reader.written(page, company, row, context)
        return json_outcome(200, entity, {"ETag": _tag_of(entity)})

    def delete(self, operation: Operation, page: Page, company: Company, row_id: str) -> Outcome:
        """DELETE: remove a row, 204."""
        logic = company.logic(page.table)
        logic.delete(self._row_for_change(operation, logic, row_id))
        return Outcome(204, {"OData-Version": "4.0"})

    def properties(self, page: Page) -> dict[str, Property]:
        """The properties of a page by name."""
        known = self._properties.get(id(page))
        if known is None:
            known = self._properties[id(page)] = {item.name: item for item in page.properties}
        return known

    def _row_for_change(self, operation: Operation, logic: TableLogic, row_id: str) -> Row:
        tag = operation.headers.get("if-match", "")
        if tag != "*" and not is_etag(tag):
            raise errors.token_missing()
        row = logic.rows.by_id(row_id)
        if row is None:
            raise errors.record_not_found(logic.table.name, {"SystemId": row_id})
        self._store.check_not_held(logic.rows.physical, logic.table, row)
        if tag not in ("*", etag(row["SystemRowVersion"])):
            raise errors.entity_changed()
        return row

    def _check_mark(self, values: dict[str, Any], page: Page, logic: TableLogic) -> None:
        if "syncMark" not in values or "syncMark" not in self.properties(page):
            return
        mark = guid(values["syncMark"])
        if mark != ZERO_GUID and logic.rows.first({MARK: mark}) is not None:
            raise errors.business_rule(f"The sync mark {mark} is already used in table {page.table}.")


class _Assignment:
    """Giving the values of one body to one row."""

    def __init__(self, writer: Writer, page: Page, company: Company, logic: TableLogic, row: Row) -> None:
        self._writer = writer
        self._page = page
        self._company = company
        self._logic = logic
        self._row = row
        self._given_codes: dict[str, str] = {}
        self._computed: dict[str, Callable[[Any], None]] = {
            "contact": self._set_contact,
            "currency code": self._set_currency_code,
            "customer id": lambda value: self._set_partner("Customer", value),
            "vendor id": lambda value: self._set_partner("Vendor", value),
        }

    def assign(self, values: dict[str, Any], *, new: bool) -> None:
        """Validate every value in the order of the body."""
        known = self._writer.properties(self._page)
        for name, value in values.items():
            item = known.get(name)
            if item is None:
                if "@" in name:
                    continue
                raise errors.unknown_body_property(name, self._page.entity)
            if item.read_only:
                raise errors.read_only(item.title)
            if item.on_create and not new and guid(value) != self._row[item.field]:
                raise errors.business_rule("The sync mark of a row cannot be changed.")
            if item.computed:
                self._computed[item.computed](value)
            else:
                self._set_field(item, value)

    def _set_field(self, item: Property, value: Any) -> None:
        field = self._logic.field(item.field)
        stored = stored_value(field, item.name, value)
        if field.pair:
            self._set_id(item, field, stored)
        else:
            if field.name == "Name" and self._page.table in _NAMED_TABLES and stored == "":
                raise errors.business_rule('The blank "displayName" is not allowed.')
            self._check_pair(field.name, field.relation, stored)
            self._logic.validate(self._row, field.name, stored)

    def _set_id(self, item: Property, field: Field, value: str) -> None:
        if not self._logic.validate_id(self._row, field.name, value):
            related = _ID_WORDS.get(field.relation, field.relation)
            raise errors.business_rule(f'The "{item.name}" does not match to a {related}.')
        if value != ZERO_GUID:
            self._check_pair(field.pair, field.relation, self._row[field.pair])

    def _set_contact(self, value: Any) -> None:
        """The name of the contact, without validation, as the original's own synchronization writes it.

        Validated, each name would make a further contact.
        """
        self._row["Contact"] = stored_value(self._logic.field("Contact"), "contact", value)

    def _set_currency_code(self, value: Any) -> None:
        field = self._logic.field("Currency Code")
        # The page takes a text of any length, and of that as much as the field holds.
        code = stored_value(field, "currencyCode", value[: field.length] if isinstance(value, str) else value)
        if code == self._company.local_currency:
            code = ""
        self._check_pair("Currency Code", "Currency", code)
        if code and not self._company.records["Currency"].exists(code):
            raise errors.business_rule('The "currencyCode" does not match to a Currency.')
        self._logic.validate(self._row, "Currency Code", code)

    def _check_pair(self, code_field: str, related: str, code: str) -> None:
        """Refuse a body whose id and code name two different rows; the blank form of either settles nothing."""
        earlier = self._given_codes.setdefault(code_field, code) if related in _PAIR_WORDS and code else code
        if earlier != code:
            raise errors.business_rule(_PAIR_WORDS[related])

    def _set_partner(self, link: str, value: Any) -> None:
        """Make a person belong to the company contact behind a customer or vendor, named by its SystemId."""
        partner_id = guid(value)
        relations = self._company.relations
        if partner_id == ZERO_GUID:
            if self._row["Company No."] and relations.of_contact(link, self._row["Company No."]) is not None:
                self._logic.validate(self._row, "Company No.", "")
            return
        partner = self._company.records[link].by_id(partner_id)
        relation = relations.of_partner(link, partner["No."]) if partner is not None else None
        if relation is None:
            raise errors.business_rule(f'The "{link.lower()}Id" does not match to a {link} with a contact.')
        self._logic.validate(self._row, "Company No.", relation["Contact No."])


def _body(operation: Operation) -> dict[str, Any]:
    values = decode_body(operation.body)
    if not isinstance(values, dict):
        raise errors.bad_request("Invalid Request Body")
    return values


def _tag_of(entity: Any) -> str:
    return str(entity.p1)
