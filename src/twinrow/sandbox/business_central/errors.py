"""Refusals as Business Central words them: an HTTP status, a code of a family, a text with a correlation id.

Source: protocol page, section 11. Texts follow the published list of error codes; where a status is not published,
the one that public clients recorded is used (see docs/reference/sandbox-business-central.md).
"""

from __future__ import annotations

import uuid
from typing import Any


class Refusal(Exception):
    """A request that is not carried out. `body` is what the client gets."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The error document; each call has a correlation id of its own."""
        return {"error": {"code": self.code, "message": f"{self.message}  CorrelationId:  {uuid.uuid4()}."}}


def bad_request(message: str) -> Refusal:
    """A body or an option that cannot be understood."""
    return Refusal(400, "BadRequest", message)


def query_syntax(message: str = "Bad Request - Error in query syntax.") -> Refusal:
    """An address or an option that breaks the grammar."""
    return Refusal(400, "BadRequest_NotFound", message)


def segment_not_found(segment: str) -> Refusal:
    """An address that leads nowhere."""
    return Refusal(404, "BadRequest_ResourceNotFound", f"Resource not found for the segment '{segment}'.")


def unknown_property(name: str, entity: str) -> Refusal:
    """A query option names a property that the entity does not have."""
    return bad_request(f"Could not find a property named '{name}' on type 'Microsoft.NAV.{entity}'.")


def unknown_body_property(name: str, entity: str) -> Refusal:
    """A body names a property that the entity does not have."""
    return bad_request(
        f"The property '{name}' does not exist on type 'Microsoft.NAV.{entity}'. "
        "Make sure to only use property names that are defined by the type."
    )


def read_only(caption: str) -> Refusal:
    """A body sets a property that cannot be set."""
    return Refusal(400, "BadRequest_InvalidOperation", f"Control '{caption}' is read-only.")


def required(name: str) -> Refusal:
    """A body sets a property to null that cannot be null."""
    return Refusal(400, "BadRequest_RequiredParamNotProvided", f"Field '{name}' must not be blank or empty.")


def method_not_allowed(method: str, entity_set: str) -> Refusal:
    """A verb that the entity set does not offer."""
    return Refusal(
        405,
        "BadRequest_MethodNotAllowed",
        f"'{method}' requests for '{entity_set}' of EdmType 'Entity' are not allowed within Microsoft Dynamics NAV "
        "OData web services.",
    )


def not_implemented(message: str) -> Refusal:
    """Something that OData has and Business Central does not."""
    return Refusal(501, "BadRequest_MethodNotImplemented", message)


def token_missing() -> Refusal:
    """No usable If-Match on a change."""
    return Refusal(
        400,
        "BadRequest_InvalidToken",
        "Could not validate the client concurrency token required by the service. "
        "Please provide a valid token in the client request.",
    )


def entity_changed() -> Refusal:
    """The If-Match token is out of date."""
    return Refusal(409, "Request_EntityChanged", "Another user has already changed the record.")


def record_not_found(table: str, key: dict[str, Any]) -> Refusal:
    """No row with that key."""
    return Refusal(
        404, "Internal_RecordNotFound", f"The {table} does not exist. Identification fields and values: {_named(key)}"
    )


def same_key(table: str, key: dict[str, Any]) -> Refusal:
    """A row with that key exists already."""
    return Refusal(
        400,
        "Internal_EntityWithSameKeyExists",
        f"The record in table {table} already exists. Identification fields and values: {_named(key)}",
    )


def not_related(field: str, table: str, value: str, related: str) -> Refusal:
    """A value that does not exist in the related table."""
    return Refusal(
        400,
        "Internal_InvalidTableRelation",
        f"The field {field} of table {table} contains a value ({value}) that cannot be found in the related table "
        f"({related}).",
    )


def too_long(length: int, limit: int, value: str) -> Refusal:
    """A text that does not fit its field."""
    return Refusal(
        400,
        "Application_StringExceededLength",
        f"The length of the string is {length}, but it must be less than or equal to {limit} characters. "
        f"Value: {value}",
    )


def no_option(value: str, members: tuple[str, ...]) -> Refusal:
    """A value that is none of the members of an enum."""
    return Refusal(
        400, "Unknown", f"'{value}' is not an option. The existing options are: {','.join(members)}"
    )  # fmt: skip


def invalid_guid() -> Refusal:
    """A text that is no GUID."""
    return Refusal(
        400,
        "Application_InvalidGUID",
        "Invalid format of GUID string. The correct format of the GUID string is: "
        "CDEF7890-ABCD-0123-1234-567890ABCDEF where 0-9, A-F symbolizes hexadecimal digits.",
    )


def business_rule(message: str) -> Refusal:
    """The application's own refusal (AL `Error`)."""
    return Refusal(400, "Application_DialogException", message)


def field_rule(message: str) -> Refusal:
    """A field that does not hold what it must (AL `TestField`, `FieldError`)."""
    return Refusal(400, "Application_FieldValidationException", message)


def filter_value(message: str) -> Refusal:
    """A filter value that its field could never hold."""
    return Refusal(400, "Application_FilterErrorException", message)


def locked(table: str) -> Refusal:
    """The row is being changed by a transaction that has not ended."""
    return Refusal(
        409,
        "Internal_ServerError",
        f"We can't save your changes right now, because a record in table '{table}' is being updated in a transaction "
        "done by another session. You'll have to wait until the other transaction has completed, which may take a "
        "while. Please try again later.",
    )


def _named(key: dict[str, Any]) -> str:
    return ",".join(f"{name}='{value}'" for name, value in key.items())
