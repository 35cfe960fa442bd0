"""Tests. A folder for each room of the source, and `peers` for the real servers that they talk to."""
