"""From a checkpoint's config.json to a net's Config record; what is not supported is refused."""


def parse(record, json, allowed, ignored=()):
    """Build `record` from a config.json dict; lists become tuples, absent fields keep defaults.

    allowed: field -> the values this package computes; fields that only ever take one value need
    not be fields of the record. ignored: keys that do not change what is computed. Raises
    ValueError that names the first key whose value is not supported.
    """
    values = {}
    for key, value in json.items():
        value = _frozen(value)
        if key.startswith("_") or key in ignored:
            continue
        if key in allowed and value not in allowed[key]:
            expected = " or ".join(map(repr, allowed[key]))
            raise ValueError(f"{key}={value!r} is not supported: expected {expected}")
        if key in record._fields:
            values[key] = value
        elif key not in allowed and value is not None:
            raise ValueError(
                f"config key {key!r} (value {value!r}) is not known: this network is a kind that "
                "mdx does not have, or its config is newer than this mdx"
            )
    return record(**values)


def per_block(value, count, name):
    """A config value given once or once a block, as a tuple of `count`."""
    if isinstance(value, (list, tuple)):
        if len(value) != count:
            raise ValueError(f"{name} has {len(value)} entries for {count} blocks")
        return tuple(value)
    return (value,) * count


def check_divides(channels, divisor, what):
    """Raise ValueError unless every channel count is a multiple of `divisor`."""
    for count in channels:
        if divisor < 1 or count % divisor:
            raise ValueError(f"{count} channels cannot be split into {divisor} {what}")


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
