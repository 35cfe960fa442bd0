"""Settings of Exim, read into a policy: a whole configuration, or the answers that Debian makes one from.

    text      files -> lines with macros put in -> options, named lists, ACLs
    lists     host lists and domain lists -> addresses, what they match
    walk      ACLs -> who is permitted
    debian    update-exim4.conf.conf
    reader    puts it together

Pure; never runs Exim, never expands what only a running Exim knows, never looks a name up. What is not understood is
told, with file and line.
"""
