"""Files of past logs: unpacking, lines, order, stopping and going on."""
