"""How prompts are written: syntaxes that give words weights, long prompts, prompts that change.

A grammar makes pieces of a text, each with its weight; `chunks` makes rows of ids of them, and
`weighting` has the rule by which weights change what a text encoder makes of the rows. All of it is
Python and numpy: which network encodes is nothing that it knows.
"""

from mdx.text.syntaxes import SYNTAXES, Syntax, checked

__all__ = ["SYNTAXES", "Syntax", "checked"]
