"""Settings of other mail servers and firewalls, read into a policy that means the same.

Pure: text goes in, a policy's text comes out, with a list of what could not be carried over. Readers do not import each
other. Nothing is guessed: what a file does not say is not said by us.
"""
