"""Measures Arrowslit beside HAProxy and Postfix on one machine, and holds the results against the project's goals.

`make bench` runs it; `python -m bench --write docs/bench.md` also writes the page of results, `--quick` measures less.

Terms
-----
way         what stands between generator and sink: nothing, HAProxy, Postfix as a filter, Postfix with its queue,
            Arrowslit
load        what is sent: size of a message, whether connections are kept, plain or under TLS
round       one pass over all ways with one load, so that whatever else the machine does meets all of them alike
goal        a figure that docs/bench.md promises; the bench says whether it is met, and fails nothing

Everything is bounded in messages and seconds, and stays on loopback. Not part of CI: a shared machine's figures say
nothing. Never measures a build of the product that differs from the one that is installed.
"""
