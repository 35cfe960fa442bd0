"""smtpd.conf of OpenSMTPD (6.4 and later), read into a policy.

    text      the file and what it includes -> statements
    conf      statements -> tables, listeners, filters, rules
    walk      filters and rules -> who is permitted
    reader    puts it together

Pure; never runs OpenSMTPD, never looks a name up. What is not understood is told, with file and line.
"""
