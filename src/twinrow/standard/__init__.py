"""The standard table mappings, as data files, and the rules that special tables need."""
