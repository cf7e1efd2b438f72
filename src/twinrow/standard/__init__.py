"""The standard table mappings, as data files, and the rules that special tables need.

`files` reads the mappings of this folder's YAML files, `order` puts mappings into the order in which they run, and
`custom_page` says what only twinrow's own pages in Business Central serve.
"""
