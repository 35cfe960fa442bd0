"""Past traffic, as the logs of any mail server tell it: lines in, attempts out, and what they come to by client.

Pure: no file is opened here (that is `logs`), no clock is read, no name is looked up. Nothing decides here either:
`policy.decide` is asked. What a log does not tell is not told by us: it is never guessed.
"""
