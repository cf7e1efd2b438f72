from __future__ import annotations

import pytest

from twinrow.connectors.odata.errors import LONGEST_MESSAGE, Fault, ServiceError, read_error, service_error


def test_json_without_its_correlation_id() -> None:
    content = (
        b'{"error":{"code":"BadRequest","message":"Could not find a property.'
        b'  CorrelationId:  0d8a2a44-6a3f-4f2e-9d1c-5b5d3a1c7e10."}}'
    )
    assert read_error(400, content) == ServiceError(400, "BadRequest", "Could not find a property.")


@pytest.mark.parametrize(
    "content",
    [
        b'<error xmlns="http://docs.oasis-open.org/odata/ns/metadata">\n <code>NoEnvironment</code>\n'
        b" <message>Environment does not exist.</message>\n</error>",
        b"<m:error xmlns:m='x'><m:code>NoEnvironment</m:code><m:message xml:lang='en'>Environment does not exist."
        b"</m:message></m:error>",
    ],
)
def test_xml(content: bytes) -> None:
    assert read_error(404, content) == ServiceError(404, "NoEnvironment", "Environment does not exist.")


def test_the_page_of_a_proxy() -> None:
    error = read_error(502, b"<html><body><h1>Bad gateway</h1>\n<p>cloud 9</p></body></html>")
    assert (error.code, error.message) == ("", "Bad gateway cloud 9")
    assert str(error) == "HTTP 502: Bad gateway cloud 9"


def test_nothing_at_all() -> None:
    assert str(read_error(503, b"")) == "HTTP 503"
    assert service_error(401, None) == ServiceError(401, "", "")
    assert service_error(400, Fault("X", None)) == ServiceError(400, "X", "")


def test_a_message_without_end_is_cut() -> None:
    assert len(read_error(500, b"x " * 5_000).message) == LONGEST_MESSAGE
