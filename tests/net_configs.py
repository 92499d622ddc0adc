"""What the tests of configs share: the nets that have some, and how an error is written."""

from mdx.nets import clip, unet, vae

NETS = {"unet": unet, "vae": vae, "text_encoder": clip}
SCHEDULER = "scheduler/scheduler_config.json"
LONGEST = 500  # characters of an error, without the path of its file


def one_error(error, *names):
    """Asserts that it is a short line that names what it is about."""
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < LONGEST
    assert all(name in text for name in names), text


def outcome(call, *arguments):
    """What a call returns, or the text of its ValueError, which is one short line."""
    try:
        return call(*arguments), None
    except ValueError as error:
        text = str(error)
    assert "\n" not in text
    assert len(text) < LONGEST
    return None, text
