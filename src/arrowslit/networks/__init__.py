"""Where addresses and names come from: reverse names and their forward confirmation, files of ranges.

Answers are facts: an answer, its absence, or a failure for now. Never decides anything.
"""
