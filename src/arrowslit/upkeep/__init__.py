"""What a node does beside the mail: follow the active revision, take decisions into the store, refresh networks.

A process of its own that the gateway's parent starts, so that nothing here can make mail wait.
"""
