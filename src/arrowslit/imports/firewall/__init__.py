"""What a packet filter lets in, told from its rules: a packet is followed through them, for every client at once.

Here live the rules as neutral values and the one way to follow them; what reads a rule set from a file stands beside
this folder. Never looks at the text of a rule: two rule sets that do the same come to the same.
"""
