"""Content Credentials (C2PA): manifests that are signed into pictures, and those that pictures bring along.

The library is c2pa-python, the official binding of the reference implementation. It belongs to the extras
`gateway` and `workers`, for it takes 55 MB. Nothing here opens a connection, unless the operator has set a
timestamp authority.
"""
