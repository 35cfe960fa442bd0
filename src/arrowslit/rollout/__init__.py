"""Live enforcement points: put the compiled rules there, read back, let them be confirmed, see drift, take them back.

Runs with rights of its own, never within the gateway. What is read back are sets of addresses and what the place
answers, not texts. Never decides what the rules are (that is `targets`) and never removes a rule that is not ours.
"""
