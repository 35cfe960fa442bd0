"""`python -m arrowslit.upkeep`: started by the parent of a node, not by hand."""

from arrowslit.upkeep.process import main

main()
