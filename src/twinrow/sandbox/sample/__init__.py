"""Sample data for both servers: a plausible trading company, deterministic for a seed, of any size.

All names are put together from word lists; mail addresses and home pages lie in the reserved domain `.example`.
The Business Central side takes everything but `users` and `crm_parties`; the Dataverse side takes `users` and
`crm_parties` and leaves the rest to be synchronized.
"""

from twinrow.sandbox.sample.company import Company, sample_company
from twinrow.sandbox.sample.parties import Party, Person

__all__ = ["Company", "Party", "Person", "sample_company"]
