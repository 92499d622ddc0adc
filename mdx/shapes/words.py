"""Scenes as words, and words as scenes."""

import re

from .scenes import COLOURS, PATTERNS, RELATIONS, SHAPES, SIZES, Scene, Thing

ONE = (
    "{a} on {ground}",
    "{a}, {bare_ground}",
    "{bare_ground}, {bare_a}",
    "{ground} with {a}",
)
TWO = (
    "{a} {relation} {b} on {ground}",
    "{bare_ground}, {bare_b}, {bare_a} {relation} it",
    "{b} with {a} {relation} it on {ground}",
    "{ground} with {a} {relation} {b}",
    "{bare_a} {relation} {bare_b}, {bare_ground}",
)
FILLERS = frozenset(["a", "an", "the", "of", "on", "to", "it", "its", "with", "and"])


def wordings(scene: Scene) -> tuple[str, ...]:
    """The ways to say a scene; see `caption`.

    Args:
        scene: one object, or two and their relation.

    Returns:
        A pattern of words for each way.
    """
    return ONE if scene.relation is None else TWO


def caption(scene: Scene, wording: int = 0) -> str:
    """The scene in words.

    Args:
        scene: one object, or two and their relation.
        wording: the number of one of its `wordings`.

    Returns:
        A sentence without its stop.
    """
    things = [_thing(one) for one in scene.things]
    words = {"gradient": f"{scene.background} gradient", "striped": f"striped {scene.background}"}
    ground = words.get(scene.pattern, scene.background) + " background"
    return wordings(scene)[wording].format(
        a=_article(things[0]),
        b=_article(things[-1]),
        bare_a=things[0],
        bare_b=things[-1],
        ground=_article(ground),
        bare_ground=ground,
        relation=scene.relation,
    )


def parse(prompt: str) -> Scene:
    """The scene that a prompt describes, words in any order.

    The object that a relation speaks of is the last one before it; the other is what follows, or
    "it".

    Args:
        prompt: in the words of `caption`, or others that say as much.

    Returns:
        The Scene.

    Raises:
        ValueError: that names the first word it does not know, or what is missing.
    """
    size = colour = pattern = relation = ground = None
    things: list[Thing] = []
    subject = 0
    for word in re.findall(r"\w+", prompt.lower()):
        if word in SIZES:
            size = word
        elif word in COLOURS:
            colour = word
        elif word in PATTERNS:
            pattern = word
        elif word in SHAPES and colour is not None:
            things.append(Thing(word, colour, size))
            size = colour = None
        elif word == "background" and colour is not None:
            ground, colour = (colour, pattern or "plain"), None
        elif word in _RELATION_WORDS and things:
            relation, subject = _RELATION_WORDS[word], len(things) - 1
        elif word not in FILLERS:
            raise ValueError(f"{prompt!r}: {word!r} cannot be understood there")
    if ground is None and colour is not None:  # "on blue"
        ground = colour, pattern or "plain"
    if ground is None or len(things) != (1 if relation is None else 2):
        raise ValueError(
            f"{prompt!r} must name a background and one object, or two and their relation"
        )
    if subject == 1:
        things.reverse()
    return Scene(tuple(things), relation, *ground)


_RELATION_WORDS = {relation.split()[0]: relation for relation in RELATIONS}


def _thing(thing):
    return " ".join(filter(None, (thing.size, thing.colour, thing.shape)))


def _article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words
