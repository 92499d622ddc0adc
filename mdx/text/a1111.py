r"""The syntax of AUTOMATIC1111's webui: (more), ((more)), [less], (as much:1.3), BREAK.

A bracket that nobody closes holds to the end; one that nobody opened is a letter, as is the sign
after a backslash. Prompts that change over a run are in edits.py.
"""

import re

from mdx.text.pieces import MORE, Parts, in_order, number, refuse_networks

__all__ = ["parse"]

SIGNS = re.compile(r"\\(.?)|:\s*([+-]?[.0-9]+)\s*\)|[()\[\]:]|[^\\()\[\]:]+", re.DOTALL)
BREAK = re.compile(r"\bBREAK\b")
AND = re.compile(r"\bAND\b")

OPEN_ROUND, OPEN_SQUARE, CLOSE_ROUND, CLOSE_SQUARE, END_OF_PART = range(5)

# A text, or one of the signs above with the factor that a closing bracket says.
Event = str | tuple[int, float]


def parse(text: str) -> Parts:
    """The parts of a text, and the weights of their pieces; ValueError for what is no text."""
    refuse_networks(text)
    if AND.search(text):
        raise ValueError(
            "prompt: AND makes several prompts of one, which are guided together: give "
            "mdx.guidance.compose a denoiser of each, or write the word in small letters"
        )
    events, left_round, left_square = _events(text)
    parts: list[list[tuple[str, float]]] = [[]]
    # From the end, where what a bracket says stands before what it says it of. Brackets of one kind
    # lie within each other; one of each kind may not.
    rounds, squares = [1.0], left_square
    for _ in range(left_round):
        rounds.append(rounds[-1] * MORE)
    for event in reversed(events):
        if isinstance(event, str):
            parts[-1].append((event, rounds[-1] * (1 / MORE) ** squares))
        elif event[0] == CLOSE_ROUND:
            rounds.append(rounds[-1] * event[1])
        elif event[0] == OPEN_ROUND:
            rounds.pop()
        elif event[0] == END_OF_PART:
            parts.append([])
        else:
            squares += 1 if event[0] == CLOSE_SQUARE else -1
    return [in_order(reversed(part)) for part in reversed(parts)]


def _events(text: str) -> tuple[list[Event], int, int]:
    """The text's events in order, and how many brackets of each kind are still open at its end."""
    events: list[Event] = []
    rounds = squares = 0
    for found in SIGNS.finditer(text):
        sign, weight = found[0], None if found[2] is None else number(found[2])
        if found[1] is not None:
            events.append(found[1])
        elif sign == "(":
            rounds += 1
            events.append((OPEN_ROUND, 1.0))
        elif sign == "[":
            squares += 1
            events.append((OPEN_SQUARE, 1.0))
        elif rounds and (sign == ")" or weight is not None):
            rounds -= 1
            events.append((CLOSE_ROUND, MORE if weight is None else weight))
        elif found[2] is not None and rounds:  # 1.2.3 is no number: a colon, and a bracket
            rounds -= 1
            events += [sign[:-1], (CLOSE_ROUND, MORE)]
        elif sign == "]" and squares:
            squares -= 1
            events.append((CLOSE_SQUARE, 1.0))
        else:
            first, *more = BREAK.split(sign)
            events.append(first)
            for part in more:
                events += [(END_OF_PART, 1.0), part]
    return events, rounds, squares
