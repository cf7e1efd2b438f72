from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.connectors.business_central.company import Company

from twinrow.connectors.base import Status, WriteKind
from twinrow.connectors.business_central.answers import field_meant, judge
from twinrow.connectors.business_central.tables import ApiTable
from twinrow.connectors.odata.errors import ServiceError
from twinrow.connectors.odata.records import PartAnswer
from twinrow.model.outcomes import Recovery

VALUES = {
    "displayName": "Hansekontor GmbH",
    "addressLine1": "Speicherstadt 7",
    "addressLine2": "x" * 60,
    "email": "kontor@hanse.example",
    "country": "XX",
    "type": "Group",
    "phoneNumber": "none",
    "paymentTermsId": "9f058fe8-2d5f-457d-b65a-47597bb1c2d3",
}


@pytest.fixture(scope="module")
def customers() -> Iterator[ApiTable]:
    company = Company()
    yield company.connector._tables.get("customers")
    company.connector.close()


@pytest.mark.parametrize(
    ("code", "message", "field"),
    [
        (
            "Application_StringExceededLength",
            "The length of the string is 60, but it must be less than or equal to 50 characters. Value: " + "x" * 60,
            "addressLine2",
        ),
        (
            "Application_StringExceededLength",
            "The length of the string is 99, but must be less than or equal to 3.",
            None,
        ),
        ("Application_DialogException", 'The blank "displayName" is not allowed.', "displayName"),
        ("Application_DialogException", "The 'paymentTermsId' does not match to a Payment Terms.", "paymentTermsId"),
        ("BadRequest", "The property 'faxNo' does not exist on type 'Microsoft.NAV.customer'.", "faxNo"),
        (
            "Internal_InvalidTableRelation",
            "The field Country/Region Code of table Customer contains a value (XX) that cannot be found.",
            "country",
        ),
        ("Unknown", "'Group' is not an option. The existing options are: Company,Person", "type"),
        ("Application_DialogException", 'The email address "kontor@hanse.example" is not valid.', "email"),
        (
            "Application_FieldValidationException",
            "Phone No. must not contain letters in Customer: No.=C1.",
            "phoneNumber",
        ),
        ("Application_FieldValidationException", "Address 2 must be shorter.", "addressLine2"),
        ("BadRequest_InvalidOperation", "Control 'Last Modified Date' is read-only.", None),
        ("Application_DialogException", "You may not create customers on Fridays.", None),
    ],
)
def test_the_field_that_a_refusal_is_about(customers: ApiTable, code: str, message: str, field: str | None) -> None:
    assert field_meant(ServiceError(400, code, message), customers, VALUES, list(VALUES)) == field


@pytest.mark.parametrize(
    ("status", "code", "message", "recovery"),
    [
        (400, "Application_DialogException", "No.", Recovery.DATA),
        (400, "Application_CallbackNotAllowed", "No.", Recovery.DATA),
        (400, "Unknown", "'x' is not an option.", Recovery.DATA),
        (400, "BadRequest", "Unable to convert value to Date", Recovery.DATA),
        (400, "BadRequest_RequiredParamNotProvided", "Field 'number' must not be blank.", Recovery.DATA),
        (
            400,
            "BadRequest",
            "The property 'x' does not exist on type 'Microsoft.NAV.customer'.",
            Recovery.CONFIGURATION,
        ),
        (400, "BadRequest_InvalidOperation", "Control 'Name' is read-only.", Recovery.CONFIGURATION),
        (405, "BadRequest_MethodNotAllowed", "'POST' requests are not allowed.", Recovery.CONFIGURATION),
        (403, "Authorization_RequestDenied", "No permission.", Recovery.CONFIGURATION),
        (404, "Internal_CompanyNotFound", "The company cannot be found.", Recovery.CONFIGURATION),
        (400, "Internal_ServerError", "An unexpected error.", Recovery.RETRY),
        (413, "", "", Recovery.DATA),
    ],
)
def test_what_gets_a_refused_record_going_again(
    customers: ApiTable, status: int, code: str, message: str, recovery: Recovery
) -> None:
    answer = PartAnswer(status, error=ServiceError(status, code, message))
    verdict = judge(answer, WriteKind.CREATE, customers, VALUES, list(VALUES))
    assert (verdict.status, verdict.recovery) == (Status.REFUSED, recovery)
    assert verdict.error
    assert verdict.code
    assert verdict.remedy
