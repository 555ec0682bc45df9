"""Where data lives: `files` (whole files, or none), `facts` (the raw zone), `inputs` (what dbt reads of what is
declared), `publish` (the warehouse that users open).

Here belong paths and atomic writes. What a row must look like is `contracts`' matter; what was observed `coverage`'s;
the folders of a home `home`'s.
"""
