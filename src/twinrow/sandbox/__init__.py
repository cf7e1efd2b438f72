"""A Business Central and a Dataverse to run against: HTTPS servers in processes of their own.

They are written from the protocols' documentation and import nothing else of twinrow, so that they cannot share its
mistakes. `process.start` starts one; `docs/reference/sandbox.md` tells what they can do.
"""
