"""Inputs that nobody means, by the hundred thousand: each accepted, or refused in one clear line.

    python -m tests.fuzz --inputs 200000 --seed 0

What is read and checked is under test, not what is computed: a run stops at its first graph. An
input is fixed by its class, the seed and its number, so that each failure can be made again.
"""
