"""What a service says when it refuses, and the exceptions of twinrow that stand for it.

A refusal is JSON (`{"error": {"code", "message"}}`), XML with the same two words, or something that no service wrote: the
page of a proxy, an empty answer. It is told apart by what it is, not by its Content-Type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from twinrow.model.errors import ConfigurationError, SignInFailed, SystemUnavailable, TwinrowError

LONGEST_MESSAGE = 600

_CORRELATION = re.compile(r"\s*Correlation ?Id:\s*\S*\s*$", re.IGNORECASE)
_XML_CODE = re.compile(rb"<(?:\w+:)?code[^>]*>(.*?)</", re.DOTALL)
_XML_MESSAGE = re.compile(rb"<(?:\w+:)?message[^>]*>(.*?)</", re.DOTALL)
_TAGS = re.compile(r"<[^>]*>")


class Fault(msgspec.Struct):
    """The error object of an answer."""

    code: str | None = None
    message: str | None = None


class _FaultDocument(msgspec.Struct):
    error: Fault


_decoder = msgspec.json.Decoder(_FaultDocument)


@dataclass(frozen=True, slots=True)
class ServiceError:
    """A refusal: HTTP status, the service's code (`''` where it gives none) and its words without correlation id."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        said = " ".join(part for part in (self.code, self.message) if part)
        return f"HTTP {self.status}{': ' if said else ''}{said}"


def service_error(status: int, fault: Fault | None) -> ServiceError:
    """Return the refusal that an error object stands for."""
    code = fault.code if fault is not None else None
    message = fault.message if fault is not None else None
    return ServiceError(status, code or "", plain_message(message or ""))


def read_error(status: int, content: bytes) -> ServiceError:
    """Read a refusal, whatever it is written in."""
    try:
        return service_error(status, _decoder.decode(content).error)
    except msgspec.DecodeError:
        pass
    code, message = _XML_CODE.search(content), _XML_MESSAGE.search(content)
    if code is not None or message is not None:
        return ServiceError(status, _text(code), plain_message(_text(message)))
    return ServiceError(status, "", plain_message(_TAGS.sub(" ", content.decode("utf-8", "replace"))))


def _text(found: re.Match[bytes] | None) -> str:
    return found[1].decode("utf-8", "replace").strip() if found is not None else ""


def plain_message(message: str) -> str:
    """Return a service's words in one line, without correlation id, cut to a length that people read."""
    line = " ".join(_CORRELATION.sub("", message).split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"


class RequestRefused(ConfigurationError):
    """A service refuses a request as a whole; `error` is what it says."""

    def __init__(self, message: str, error: ServiceError) -> None:
        super().__init__(message, cause=str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Remedies:
    """What to do in a system that does not accept our sign-in, or does not let us do something."""

    sign_in: str
    privilege: str


def refusal(error: ServiceError, system: str, remedies: Remedies) -> TwinrowError:
    """Return the exception for a request that was refused as a whole.

    401 is `SignInFailed`, 403 `ConfigurationError`, 408, 429 and 5xx `SystemUnavailable`, anything else `RequestRefused`.
    """
    if error.status == 401:
        return SignInFailed(f"{system} does not accept our sign-in", cause=str(error), remedy=remedies.sign_in)
    if error.status == 403:
        return ConfigurationError(
            f"{system} does not let us do this: a privilege is missing", cause=str(error), remedy=remedies.privilege
        )
    if error.status in (408, 429) or error.status >= 500:
        return SystemUnavailable(f"{system} cannot answer now", cause=str(error), remedy="Wait and try again.")
    return RequestRefused(f"{system} refuses the request", error)
