"""What every table does when a field is validated and when a row is inserted, changed, renamed or deleted.

Words as in AL: to *validate* a field is to give it a value with all that follows from it; *before* (xRec) is the row
as it was. Tables with rules of their own (`customers`, `vendors`, `contacts`) extend this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twinrow.sandbox.business_central import errors
from twinrow.sandbox.business_central.schema import Field
from twinrow.sandbox.business_central.store import Row
from twinrow.sandbox.business_central.wire import ZERO_GUID

if TYPE_CHECKING:
    from twinrow.sandbox.business_central.company import Company

Trigger = Callable[[Row, Row], None]


class TableLogic:
    """The logic of one table of one company. `triggers` are called after their field was given its value."""

    def __init__(self, company: Company, table: str) -> None:
        self.company = company
        self.rows = company.records[table]
        self.table = self.rows.table
        self.triggers: dict[str, Trigger] = {}
        self._fields = {field.name: field for field in self.table.fields}
        self._id_of_code = {field.pair: field for field in self.table.fields if field.pair}

    def field(self, name: str) -> Field:
        """The field called `name`."""
        return self._fields[name]

    def validate(self, row: Row, name: str, value: Any) -> None:
        """Give a field a value, already converted, with the checks and consequences that belong to it."""
        field = self._fields[name]
        before = dict(row) if name in self.triggers else row
        related = self._related(field, value) if field.relation else None
        row[name] = value
        id_field = self._id_of_code.get(name)
        if id_field is not None:
            row[id_field.name] = related["SystemId"] if related is not None else ZERO_GUID
        if name in self.triggers:
            self.triggers[name](row, before)

    def validate_id(self, row: Row, name: str, value: str) -> bool:
        """Give the id half of a pair a value, and the code half what belongs to it; False when there is no such row."""
        field = self._fields[name]
        related = self.company.records[field.relation].by_id(value)
        if related is None and value != ZERO_GUID:
            return False
        row[name] = value
        row[field.pair] = related["Code"] if related is not None else ""
        return True

    def align_ids(self, row: Row) -> None:
        """Make the id halves of all pairs fit their codes (after fields were copied without validation)."""
        for code, id_field in self._id_of_code.items():
            related = self.company.records[id_field.relation].peek(row[code]) if row[code] else None
            row[id_field.name] = related["SystemId"] if related is not None else ZERO_GUID

    def _related(self, field: Field, value: Any) -> Row | None:
        if value in ("", ZERO_GUID):
            return None
        related = self.company.records[field.relation].peek(value)
        if related is None or any(related[name] != wanted for name, wanted in field.relation_filter.items()):
            raise errors.not_related(field.name, self.table.name, str(value), field.relation)
        return related

    # Inserting, changing, deleting; the default is what a table without triggers does

    def insert(self, row: Row) -> None:
        """Insert a row with all that belongs to it."""
        for field in self.table.fields:
            if field.not_blank and row[field.name] == "":
                raise self.must_have_value(row, field.name)
        self.rows.insert(row)

    def modify(self, row: Row, before: Row) -> Row:
        """Write a changed row with all that follows, and give it back as it ended up."""
        self.rows.modify(row, before)
        return row

    def delete(self, row: Row) -> None:
        """Delete a row with what belongs to it."""
        self.rows.delete(row)

    def rename(self, row: Row, before: Row) -> Row:
        """Write a row whose primary key changed; every row that names it by its old key names it by the new one."""
        name = self.table.key[0]
        if row[name] == "":
            raise self.must_have_value(before, name)
        if self.rows.exists(row[name]):
            raise errors.same_key(self.table.name, self.rows.key(row))
        self.rows.modify(row, before)
        self.company.rename_references(self.table.name, before[name], row[name])
        return row

    # Refusals

    def must_have_value(self, row: Row, name: str) -> errors.Refusal:
        """The refusal of a row with a blank field that must not be blank."""
        return errors.field_rule(
            f"{name} must have a value in {self.table.name}: {self._named(row)}. It cannot be zero or empty."
        )

    def must_be(self, row: Row, name: str, wanted: Any, current: Any) -> errors.Refusal:
        """The refusal of a row with another value than the rule wants."""
        return errors.field_rule(
            f"{name} must be equal to '{wanted}'  in {self.table.name}: {self._named(row)}. Current value is '{current}'."
        )

    def breaks_rule(self, row: Row, name: str, rule: str) -> errors.Refusal:
        """The refusal of a row with a value that breaks a rule, such as "must not contain letters"."""
        return errors.field_rule(f"{name} {rule} in {self.table.name} {self._named(row)}.")

    def _named(self, row: Row) -> str:
        return ",".join(f"{name}={value}" for name, value in self.rows.key(row).items())
