"""The command line, one file a command. Data to stdout, everything else to stderr.

Commands hold no logic of their own: they ask the rooms below and print.
"""
