"""Names of other programs' menus: each runs as its program has it, or is refused with the nearest.

The programs' loops are written here again, in x / alpha over s = sigma / alpha, for a denoiser that
is no straight line; the noise of a step is the same number in both.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdx import listing_menus
from mdx.schedulers import Scheduler, from_config, table
from mdx.schedulers.menus import A1111, COMFYUI
from mdx.schedulers.naming import every, meant, plain
from mdx.schedulers.samplers import SAMPLERS
from mdx.schedulers.schedules import SCHEDULES
from tests.schedulers.test_schedules import BASE, RATIO

DOCS = Path(__file__).parents[2] / "docs" / "names.md"
MEANINGS = [one for menu in (A1111, COMFYUI) for one in every(menu)]


def denoised(x, s):
    return np.tanh(x) / (1 + s)


def noise(call):
    return np.sin(1.0 + call)


def ran(name, steps):
    """What a table makes of the denoiser, and the ratios that it visits."""
    t = table(from_config(BASE, name), steps)
    ratio = t.sigma / t.alpha
    slots = np.zeros(t.slots)
    slots[0] = 2.5 * ratio[0] * t.alpha[0]
    for i in range(t.rows):
        x0 = denoised(slots[0] / t.alpha[i], ratio[i])
        out = (slots[0] - t.alpha[i] * x0) / t.sigma[i]
        slots = t.mix[i] @ np.array([*slots, out, x0, noise(i)])
    return slots[0] / t.alpha[-1]


def slope(x, s):
    return (x - denoised(x, s)) / s


def euler(x, s, *_):
    for now, to in pairwise(s):
        x += (to - now) * slope(x, now)
    return x


def euler_a(x, s, *_):
    for i, (now, to) in enumerate(pairwise(s)):
        up = min(to, np.sqrt(to**2 * (now**2 - to**2) / now**2))
        x += (np.sqrt(to**2 - up**2) - now) * slope(x, now) + up * noise(i)
    return x


def heun(x, s, *_):
    for now, to in pairwise(s):
        d = slope(x, now)
        if to > 0:
            d = (d + slope(x + (to - now) * d, to)) / 2
        x += (to - now) * d
    return x


def dpm_2(x, s, *_):
    for now, to in pairwise(s):
        d = slope(x, now)
        if to > 0:
            middle = np.sqrt(now * to)
            d = slope(x + (middle - now) * d, middle)
        x += (to - now) * d
    return x


def dpmpp_2s_a(x, s, *_):
    row = 0
    for now, to in pairwise(s):
        up = min(to, np.sqrt(to**2 * (now**2 - to**2) / now**2))
        down = np.sqrt(to**2 - up**2)
        if down == 0:
            x = x + (0 - now) * slope(x, now)
            continue
        h = np.log(now / down)
        half = np.exp(-h / 2) * x - np.expm1(-h / 2) * denoised(x, now)
        middle = now * np.exp(-h / 2)
        x = np.exp(-h) * x - np.expm1(-h) * denoised(half, middle) + up * noise(row + 1)
        row += 2
    return x


def two_step(x, s, weight, noisy):
    """DPM++ 2M and its SDE: `weight` of the difference to the picture before, over its distance."""
    old = before = None
    for i, (now, to) in enumerate(pairwise(s)):
        x0 = denoised(x, now)
        if to == 0:
            x = x0
            continue
        h = np.log(now / to)
        rate = 2 if noisy else 1
        x = np.exp(-rate * h) * x - np.expm1(-rate * h) * x0
        if old is not None:
            x += weight(rate * h) * (x0 - old) / (before / h)
        x += to * np.sqrt(-np.expm1(-2 * h)) * noise(i) * noisy
        old, before = x0, h
    return x


def half(h):
    return -np.expm1(-h) / 2


def whole(h):
    return 1 + np.expm1(-h) / h


def res(x, s, *_):
    """RES multistep of order 2: phi functions of the exponential Adams-Bashforth method."""
    old = t_old = None
    for now, to in pairwise(s):
        x0 = denoised(x, now)
        if to == 0 or old is None:
            x = x + (to - now) * (x - x0) / now
        else:
            h, c = np.log(now / to), (np.log(s[t_old]) - np.log(now)) / np.log(now / to)
            one = -np.expm1(-h) / h
            two = (1 - one) / h
            x = np.exp(-h) * x + h * ((one + two / c) * x0 - two / c * old)
        old, t_old = x0, list(s).index(now)
    return x


LOOPS = {
    "Euler": euler,
    "Euler a": euler_a,
    "Heun": heun,
    "DPM2": dpm_2,
    "DPM++ 2S a": dpmpp_2s_a,
    "DPM++ 2M": lambda x, s: two_step(x, s, half, 0),
    "DPM++ 2M SDE": lambda x, s: two_step(x, s, half, 1),
    "DPM++ 2M SDE Heun": lambda x, s: two_step(x, s, whole, 1),
    "res_multistep": res,
    "ddim": euler,
}


@pytest.mark.parametrize("steps", [1, 2, 9, 20])
@pytest.mark.parametrize("name", LOOPS)
def test_a_name_runs_as_its_program_has_it(name, steps):
    schedule = "Karras" if name in A1111.samplers else "karras"
    discard = name == "DPM2"
    s = SCHEDULES["karras"](RATIO, steps + discard)
    s = np.append(s[:-1] if discard else s, 0.0)
    expected = LOOPS[name](2.5 * s[0], s)
    assert ran(f"{name} {schedule}", steps) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("menu", [A1111, COMFYUI], ids=lambda menu: menu.program)
def test_what_is_here_says_all(menu):
    """What the checkpoint's config has of such options makes no difference."""
    for one in filter(lambda one: one.sampler, every(menu)):
        [sampler] = [s for s in SAMPLERS if s.names[1] == one.sampler]
        assert meant(one.spelling) == one
        found = from_config(BASE, one.spelling)
        assert found.name == sampler.names[0]
        said = {k: v for k, v in KARRAS.items() if k in sampler.defaults}
        assert from_config({**BASE, **said}, one.spelling).config == found.config


@pytest.mark.parametrize("menu", [A1111, COMFYUI], ids=lambda menu: menu.program)
def test_what_is_here_makes_a_run(menu):
    for name, named in menu.samplers.items():
        if named.sampler:
            karras = [word for word in menu.schedules if word.lower() == "karras"]
            words = name if named.own_levels else f"{name} {karras[0]}"
            assert table(from_config(BASE, words), 5).rows in (5, 6, 9)


KARRAS = {"use_karras_sigmas": True, "solver_order": 1, "schedule": "normal", "s_churn": 2.0}


def test_what_is_not_here_is_refused_with_what_is():
    own = {name for sampler in SAMPLERS for name in sampler.names}
    for one in (one for one in MEANINGS if not one.sampler):
        with pytest.raises(ValueError, match="is not here") as refusal:
            meant(one.spelling)
        nearest = str(refusal.value).rpartition("the nearest is ")[2].strip("'")
        assert nearest in own or meant(nearest).sampler


@given(one=st.sampled_from(MEANINGS), data=st.data())
def test_capitals_and_spaces_make_no_difference(one, data):
    """Unless it is then two things."""
    changed = "".join(
        data.draw(st.sampled_from([c.lower(), c.upper(), f" {c}"])) for c in one.spelling
    )
    assert plain(changed) == plain(one.spelling)
    try:
        found = plain(meant(changed).spelling)
    except ValueError as error:
        told = str(error)
        found = plain(one.spelling) * ("is two things: spell it" in told or "is not here" in told)
    assert found == plain(one.spelling)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("dpmpp_2m/karras", "DPM++ 2M Karras"),
        ("dpmpp_2m_karras", "dpmpp_2m karras"),
        ("dpmpp_2m, karras", "DPM++ 2M Karras"),
        ("DPM++ 2M Automatic", "DPM++ 2M Karras"),
        ("DPM++ 2M", "DPM++ 2M Uniform"),
        ("Polyexponential", None),
        ("euler_ancestral", "Euler a"),
    ],
)
def test_other_ways_to_say_it(name, same):
    if same is None:
        assert meant(name) is None
    else:
        assert from_config(BASE, name) == from_config(BASE, same)


def test_two_things_of_one_name():
    a, b = from_config(BASE, "Euler Beta"), from_config(BASE, "euler beta")
    assert (a.config["schedule"], b.config["schedule"]) == ("beta_sigmas", "beta")
    words = "'EULER BETA' is two things: spell it 'Euler Beta' as A1111 does or 'euler beta' as C"
    with pytest.raises(ValueError, match=words):
        from_config(BASE, "EULER BETA")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("DPM++ 2M Karas", "Karras"), ("dpmpp2m", "dpmpp_2m"), ("Eular", "euler"), ("uni_pd", "uni")],
)
def test_a_name_that_is_nearly_one(name, nearest):
    with pytest.raises(ValueError, match=f"did you mean '.*{nearest}"):
        from_config(BASE, name)


def test_own_names_mean_what_they_did():
    """With the checkpoint's own levels."""
    for sampler in SAMPLERS:
        for name in sampler.names:
            assert from_config({}, name) == Scheduler(sampler.names[0], ())


def test_options_of_a_name_may_be_others():
    found = from_config(BASE, "DPM++ 2M Karras", solver_order=3)
    assert (found.config["solver_order"], found.config["schedule"]) == (3, "karras")


def test_the_docs_have_the_table():
    assert "\n".join(listing_menus.lines()) in DOCS.read_text()
