"""The history of the store's tables, as Alembic migrations: `versions/NNNN_*.py`, from old to new.

A migration never imports the tables of today (`schema`): it says what was true when it was written.
"""
