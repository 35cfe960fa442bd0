"""Reads TOML with positions and turns the two files into values.

`policy.toml` becomes a tree with spans for `policy`, `arrowslit.toml` becomes `Settings`. Never decides anything.
"""
