"""Checkpoints that are one file: what a file is, and its weights by the names of its family.

`recognising` says what a file is, without MindSpore; `assembling` makes the model of one. A kind of
file that mdx knows is a record of data (originals.py); names of weights are data too (unet_names.py
and the like), read in both directions.
"""
