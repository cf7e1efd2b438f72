"""What both servers share of OData: query options taken apart, `$filter` parsed and turned into SQL, keys of rows.

Each server adds its own limits and extensions (see `dataverse` and `business_central`).
"""
