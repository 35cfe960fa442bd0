"""Settings of Postfix, read into a policy: main.cf, master.cf and the tables that they name.

    text        files -> settings, services
    values      a setting's value: $name and ${...} put in, defaults by compatibility level
    tables      files of tables -> rows; patterns -> what they match
    lookups     what a table says of a client or a recipient
    walk        restriction lists -> who is permitted
    domains     which domains are accepted; who is in mynetworks
    reader      puts it together

Pure; never runs Postfix, never looks a name up. What is not understood is told, with file and line.
"""
