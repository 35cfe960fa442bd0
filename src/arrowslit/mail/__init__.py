"""Values of mail: addresses of the network, address sets, domain names, mail addresses, replies.

What lives here is frozen, compares by value and knows nothing of policy, protocol state or the world.
"""
