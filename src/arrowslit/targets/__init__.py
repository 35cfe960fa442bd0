"""Policy to the language of one enforcement point: neutral rules first, then the text, a file each target.

Pure: text comes out, nothing is applied here (that is `rollout`). Targets do not import each other; what they share is
in `rules`, `target` and `text`. What a target can't express is a gap, never left out in silence.
"""
