"""What MindSpore traces in place of its own check of shapes: see mindspore_internals.py.

A module of its own, for MindSpore's parser reads the source of the function.
"""


def as_they_are(op_name, arg_name, data):
    """The whole numbers, or whatever they are."""
    return data
