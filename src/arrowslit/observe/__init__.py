"""What can be seen of a running node: decision records, the Postfix-shaped log line, metrics.

Everything that a stranger sent is escaped here before it is written. Nothing here changes what happens to mail.
"""
