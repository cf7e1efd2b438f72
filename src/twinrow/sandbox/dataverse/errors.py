"""Refusals as Dataverse words them: status, hexadecimal code, message.

Codes and texts follow the documentation; where a text is not documented it says the same in words of our own
(`docs/reference/sandbox-dataverse.md` lists which).
"""

from __future__ import annotations

from typing import Any

_PAYLOAD_HELP = (
    "For more information on this error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293"
)


class DataverseError(Exception):
    """A refusal. `classic` marks those whose code the older documentation prints as an empty text."""

    def __init__(self, status: int, code: str, message: str, *, classic: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.classic = classic
        self.retry_after: int | None = None

    def body(self, *, annotated: bool, classic_codes: bool) -> dict[str, Any]:
        """The error object; `annotated` adds the details that `odata.include-annotations="*"` asks for."""
        error: dict[str, Any] = {
            "code": "" if self.classic and classic_codes else self.code,
            "message": self.message,
        }
        if annotated:
            error |= {
                "@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus": "1",
                "@Microsoft.PowerApps.CDS.ErrorDetails.SubErrorCode": str(_signed(self.code)),
                "@Microsoft.PowerApps.CDS.HelpLink": "http://go.microsoft.com/fwlink/?LinkID=398563&error="
                f"Microsoft.Crm.CrmException%3a{self.code.removeprefix('0x')}&client=platform",
                "@Microsoft.PowerApps.CDS.TraceText": "",
                "@Microsoft.PowerApps.CDS.InnerError.Message": self.message,
            }
        return {"error": error}


def _signed(code: str) -> int:
    number = int(code, 16) if code else 0
    return number - 2**32 if number >= 2**31 else number


def row_missing(table: str, key: str) -> DataverseError:
    """No row with this id."""
    return DataverseError(404, "0x80040217", f"{table} With Id = {key} Does Not Exist", classic=True)


def row_missing_by_key(table: str) -> DataverseError:
    """No row with these alternate key values."""
    return DataverseError(404, "0x80060891", f"A record with the specified key values does not exist in {table} entity")


def row_exists() -> DataverseError:
    """A row with these key values is there already."""
    return DataverseError(412, "0x80040237", "A record with matching key values already exists.", classic=True)


def duplicate_key(key: str) -> DataverseError:
    """Another row has the same values in the columns of an alternate key."""
    return DataverseError(
        412,
        "0x80060892",
        "Entity Key "
        + key
        + " requires that this set of attributes contains unique values. Select unique values and try again.",
    )


def linked_already() -> DataverseError:
    """Two rows are linked over a many-to-many relationship already."""
    return DataverseError(412, "0x80040237", "Cannot insert duplicate key.")


def version_differs() -> DataverseError:
    """The row has changed since the version given in If-Match."""
    return DataverseError(
        412,
        "0x80060882",
        "The version of the existing record doesn't match the RowVersion property provided.",
        classic=True,
    )


def concurrency_off(table: str) -> DataverseError:
    """The table does not check versions."""
    return DataverseError(400, "0x8006088d", f"Optimistic concurrency isn't enabled for entity type {table}.")


def unknown_segment(name: str) -> DataverseError:
    """Nothing is served under this name."""
    return DataverseError(404, "0x8006088a", f"Resource not found for the segment '{name}'.")


def unknown_property(name: str, table: str) -> DataverseError:
    """A query names a property that the table does not have."""
    return DataverseError(
        400, "0x0", f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table}'."
    )


def bad_query(message: str) -> DataverseError:
    """A query of a shape that is not supported."""
    return DataverseError(400, "0x80060888", message)


def bad_argument(message: str, code: str = "0x80040203") -> DataverseError:
    """An argument that makes no sense."""
    return DataverseError(400, code, message)


def bad_payload(entity_set: str, inner: str) -> DataverseError:
    """A body that cannot be read as a row of the table."""
    return DataverseError(
        400,
        "0x80048d19",
        f"Error identified in Payload provided by the user for Entity :'{entity_set}', {_PAYLOAD_HELP}  ---->  "
        f"InnerException : {inner}",
    )


def undeclared_property(entity_set: str, name: str) -> DataverseError:
    """A binding to a navigation property that the table does not have; names are case-sensitive."""
    return bad_payload(
        entity_set,
        f"Microsoft.OData.ODataException: An undeclared property '{name}' which only has property annotations in the "
        "payload but no property value was found in the payload. In OData, only declared navigation properties and "
        "declared named streams can be represented as properties without values.",
    )


def invalid_property(entity_set: str, table: str, name: str) -> DataverseError:
    """A value for a column that the table does not have."""
    return bad_payload(
        entity_set,
        f"Microsoft.Crm.CrmException: Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{table}'. "
        f"---> Microsoft.OData.ODataException: The property '{name}' does not exist on type "
        f"'Microsoft.Dynamics.CRM.{table}'. Make sure to only use property names that are defined by the type.",
    )


def wrong_type(entity_set: str, value: Any, edm: str) -> DataverseError:
    """A value of another type than the column's."""
    shown = str(value).lower() if isinstance(value, bool) else value
    return bad_payload(
        entity_set,
        f"Microsoft.OData.ODataException: Cannot convert the literal '{shown}' to the expected type '{edm}'.",
    )


def lookup_assigned() -> DataverseError:
    """A value for a lookup column itself, instead of a binding."""
    return bad_query(
        "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead."
    )


def text_too_long(table: str, column: str, limit: int) -> DataverseError:
    """A text longer than its column."""
    return DataverseError(
        400,
        "0x80044331",
        f"A validation error occurred.  The length of the '{column}' attribute of the '{table}' entity exceeded the "
        f"maximum allowed length of '{limit}'.",
    )


def number_out_of_range(table: str, column: str, code: str) -> DataverseError:
    """A number below or above what its column takes; `code` differs between whole and decimal numbers."""
    return DataverseError(
        400,
        code,
        f"A validation error occurred.  The value of '{column}' on record of type '{table}' is outside the valid range.",
    )


def unknown_option(table: str, column: str, value: Any, accepted: list[int]) -> DataverseError:
    """A number that the choice does not have."""
    return DataverseError(
        400,
        "0x8004431a",
        f"A validation error occurred. The value {value} of '{column}' on record of type '{table}' is outside the valid "
        f"range. Accepted Values: {','.join(str(number) for number in accepted)}",
    )


def required_missing(column: str) -> DataverseError:
    """A column that the system requires is empty."""
    return DataverseError(400, "0x80040203", f"Attribute '{column}' cannot be NULL")


def bad_status(table: str, status: int, state: str, key: str) -> DataverseError:
    """A status reason that does not belong to the state."""
    return DataverseError(
        400, "0x80048408", f"{status} is not a valid status code for state code {state} on {table} with Id {key}."
    )


def referenced() -> DataverseError:
    """Other rows stand in the way of a deletion."""
    return DataverseError(
        405, "0x80040227", "The object you tried to delete is associated with another object and cannot be deleted."
    )


def no_route(method: str, uri: str) -> DataverseError:
    """The address is there, but not for this method."""
    return DataverseError(405, "0x80060888", f"The requested resource does not support http method '{method}' ({uri}).")


def unexpected() -> DataverseError:
    """Something went wrong that nobody foresaw."""
    return DataverseError(500, "0x80040216", "An unexpected error occurred.")


def not_the_method(uri: str) -> DataverseError:
    """A function that was posted to, or an action that was read."""
    return DataverseError(404, "", f"No HTTP resource was found that matches the request URI '{uri}'.")
