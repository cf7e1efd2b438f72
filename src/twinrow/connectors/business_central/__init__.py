"""Business Central through its API: kind `business-central`.

A site serves its tables by one or more *routes*: the standard API (`v2.0`), and, where twinrow's extension is installed,
twinrow's own pages (`twinrow/sync/v1.0`), which serve more fields, row versions and marks. The connector takes each table
from the first route that has it, and says in `Capabilities` and `Table.absent` what is missing without the extension.

`settings` says how to get there, `site` finds company and routes, `tables` describes the tables (`$metadata`, completed by
the files in `data`), `values` knows how values travel, `filters` writes conditions within the service's limits, `reading`
and `feeds` read, `writing` writes, `answers` says what a refusal means, `checks` tests a connection. `connector` puts them
behind the protocol of all connectors.

Source: the protocol page of Business Central; `docs/how-to/business-central-system.md` for users.
"""

from __future__ import annotations

from twinrow.connectors.business_central.connector import BusinessCentral, open_system
from twinrow.connectors.business_central.settings import BusinessCentralSettings

KIND = "business-central"

__all__ = ["KIND", "BusinessCentral", "BusinessCentralSettings", "open_system"]
