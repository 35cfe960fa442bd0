"""The policy document and its one meaning: facts in, a decision with its trace out.

Lint, expectations and explanations live here too and only ever ask `decide`. Nothing here looks anything up:
names, time and certificates come in as facts.
"""
