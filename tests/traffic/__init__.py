"""Past traffic: readers, facts, rehearsal."""
