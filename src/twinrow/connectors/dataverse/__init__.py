"""Dataverse through its Web API: kind `dataverse`.

Tables are described from the environment's own metadata, by logical names. Beside the tables with rows there are *option
tables*, such as `account.paymenttermscode`: the options of a choice column as records of their own.

`settings` says how to get there, `site` asks who we are and what the environment says about its tables, in the form of
`definitions`. `tables` describes them, `values` knows how values travel, `filters` writes conditions within the service's
limits, `reading` and `feeds` read, `parts` and `writing` write in batches, `answers` says what a refusal means. `options`
and `option_writing` do the same for option tables. `checks` tests a connection, `connector` puts all behind the protocol of
all connectors.

Source: the protocol page of Dataverse; `docs/how-to/dataverse-system.md` for users.
"""

from __future__ import annotations

from twinrow.connectors.dataverse.connector import Dataverse, open_system
from twinrow.connectors.dataverse.settings import DataverseSettings

KIND = "dataverse"

__all__ = ["KIND", "Dataverse", "DataverseSettings", "open_system"]
