"""What connectors to OData services have in common: signing in, pacing, batches, pages, errors, filters, values.

The way of a request: a connector makes a `client.Call`; the `client` adds a token (`sign_in`), waits for its turn
(`pacing`), sends it, and repeats what may be repeated. What comes back is an `Answer`, or a `NoAnswer` that says whether
the request may have been carried out. `records` turns the JSON of answers into frames, `bodies` frames into the JSON of
requests; neither goes through the records one by one. `batch` puts many requests into one and takes the answers apart,
`paging` follows links to further pages, `metadata` reads what a service says about its tables, `errors` what it says
about failures, `server_time` what time it is there.

Both services are asked for changes by time in the same way (`time_feed`), and what has become of a write is said in the same
words (`verdict`, `work`). What differs between them, the connectors say.

Nothing here knows which table it is (`tables` says what is asked of one), or which service.
"""
