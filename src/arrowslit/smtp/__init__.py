"""The SMTP protocol without input or output: bytes in, events out, replies in, bytes out.

Server side, client side, SASL, the PROXY header, XCLIENT and XFORWARD. Nothing here decides who may do what.
"""
