"""Listeners, connections, spool, next hops, TLS, workers, reload and drain: where actions are done.

Never decides who may do what: it asks `session`, and through it `policy`.
"""
