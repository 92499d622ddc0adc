"""What a scheduler's model returns, in the words that its tables carry."""

from .config import Scheduler, find


def prediction(scheduler: Scheduler) -> str:
    """What the model of a scheduler must return: the `prediction` of every table made of it.

    It is the config's prediction_type, and where that means something else than in other families,
    a word of its own ("preconditioned epsilon" of EDM's networks, "inverted flow_prediction" with
    invert_sigmas): a table is for a model if these are equal.

    Args:
        scheduler: what `from_config` made.

    Returns:
        The word.

    Raises:
        ValueError: for an unknown sampler.
    """
    return find(scheduler.name).says(scheduler.config)
