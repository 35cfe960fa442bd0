"""One conversation: joins the protocol engine and the policy and says what has to be done next.

Events of the engine and results from the world come in; actions go out. Nothing here does them.
"""
