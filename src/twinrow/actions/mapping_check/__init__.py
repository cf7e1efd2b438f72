"""Whether mappings fit the systems that they are for: everything that is wrong, and every limit, before anything runs.

`check` goes through the mappings; `surroundings` holds what it looks things up in, `filters`, `rows`, `references`, `losses`,
`transformations`, `values`, `writers` and `limits` each look at one thing. All are pure: tables, rules and capabilities are
handed in.
"""

from twinrow.actions.mapping_check.check import check_mappings

__all__ = ["check_mappings"]
