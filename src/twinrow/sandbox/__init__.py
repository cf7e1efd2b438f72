"""A Business Central and a Dataverse to run against: HTTPS servers in processes of their own."""
