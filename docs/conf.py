"""How the pages are built: HTML (Furo) and man pages from the same MyST sources. No network is used."""

from __future__ import annotations

from arrowslit import __version__

project = "Arrowslit"
author = "the Arrowslit team"
release = version = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Arrowslit"
html_copy_source = False

man_pages = [
    ("reference/commands", "arrowslit", "open a mail server to its filtering service only", [author], 1),
    ("reference/settings", "arrowslit.toml", "settings of a node", [author], 5),
    ("reference/policy", "arrowslit-policy", "the policy of a site", [author], 5),
]
