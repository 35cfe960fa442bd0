"""Files of past logs: opened whatever they are packed in, put in order, read in a process of their own.

What the lines mean is in `traffic`; nothing here decides. Nothing is ever written beside the logs.
"""
