"""What a service is given when it is opened.

Each kind of server is a package (`twinrow.sandbox.dataverse`, `twinrow.sandbox.business_central`) with a function
`open_service(surroundings) -> Service`; `python -m twinrow.sandbox <kind>` calls it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from twinrow.sandbox.clock import SandboxClock
from twinrow.sandbox.postman import Postman
from twinrow.sandbox.sign_in import SignIn


@dataclass(frozen=True)
class Surroundings:
    """Database, clock, sign-in and outgoing calls of one server."""

    connection: sqlite3.Connection
    clock: SandboxClock
    sign_in: SignIn
    postman: Postman
