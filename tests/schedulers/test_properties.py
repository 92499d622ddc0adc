"""Every member of the list, every property that can be stated without a device."""

from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import levels as lv
from mdx.schedulers import tables, testbed
from mdx.schedulers.ddim import update
from mdx.schedulers.pndm import pndm
from mdx.schedulers.tables import PREDICTIONS, Values, reading, trace
from tests.schedulers.member import linear, unasked
from tests.schedulers.members import IDS, LEVELS, MEMBERS, SD

RNG = partial(np.random.default_rng, 7)
every_member = pytest.mark.parametrize("member", MEMBERS, ids=IDS)


def ramp(steps, high=10.0, low=0.05):
    """steps+1 noise ratios evenly spaced in log-SNR, the last one finite."""
    return lv.exponential(high, low, steps + 1)


def free(member):
    """The member on levels that the test chooses: ramps would exclude them."""
    own = {k: v for k, v in member.options.items() if k not in LEVELS}
    return schedulers.from_config(member.base, member.name, **own)


# Facts


@every_member
def test_facts(member):
    """Slots, calls, noise and history are what the list says."""
    t = schedulers.table(member.scheduler(), 10)
    assert t.slots == member.slots
    assert t.rows == 10 + member.extra_calls
    assert any(t.needs_noise(i) for i in range(t.rows)) == t.stochastic == member.stochastic
    reads = np.any(t.mix[:, 0, 1 : t.slots] != 0)
    assert reads == (member.stages or not member.one_step)
    assert np.isfinite(t.clip).all() == np.isfinite(t.clip).any() == member.bounded
    assert any(t.reads_variance(i) for i in range(t.rows)) == np.any(t.spread) == member.learned


@every_member
def test_bound(member):
    """Bounded, no x0 that a row uses is too large; and inside the bound a row is as without it."""
    t = schedulers.table(member.scheduler(), 9)
    rng, apart = RNG(), []
    for i in range(t.rows):
        slots, out = rng.normal(size=(t.slots, 64)), rng.normal(size=64)
        for size in (1e-9, 10.0):
            x0 = t.denoise[i] @ [size * slots[0], size * out]
            kept = testbed.bounded(t, i, x0)
            one, two = (
                testbed.row(own, i, size * slots, size * out, np.zeros(64))
                for own in (t, linear(t))
            )
            if np.abs(x0).max() < 0.5:
                np.testing.assert_array_equal(kept, x0)
                np.testing.assert_array_equal(one, two)
            elif member.bounded:
                assert np.abs(kept).max() <= (1 if t.quantile[i] else t.clip[i])
                apart.append(np.abs(one - two).max() > 1e-6)
            else:
                np.testing.assert_array_equal(one, two)
    assert any(apart) == member.bounded


# 1. Trace = equation


@every_member
def test_what_a_member_lacks(member):
    """Predictions and spacings that the list denies are refused by name, and the clean level is."""
    for prediction in set(PREDICTIONS) - set(member.predictions):
        with pytest.raises(ValueError, match=f"prediction_type '{prediction}' is not supported"):
            member.scheduler(prediction_type=prediction)
    if not member.spaced:
        with pytest.raises(ValueError, match="timestep_spacing"):
            member.scheduler(timestep_spacing="trailing")
    clean = member.sigmas([2.0, 1.0, 0.0])
    if member.touches_clean:
        assert 0 in schedulers.table(free(member), sigmas=clean).sigma
    else:
        with pytest.raises(ValueError, match="must end above 0"):
            schedulers.table(free(member), sigmas=clean)


EVERY_PREDICTION = [(m, p) for m in MEMBERS for p in m.predictions]


@pytest.mark.parametrize(
    ("member", "prediction"), EVERY_PREDICTION, ids=[f"{p}-{m.id}" for m, p in EVERY_PREDICTION]
)
def test_rows_are_the_equations(member, prediction, monkeypatch):
    """The sampler's own function on random arrays gives what its row gives: it is linear."""
    seen = []

    def spy(method, *arguments, **options):
        seen.append(method)
        return trace(method, *arguments, **options)

    monkeypatch.setattr(tables, "trace", spy)
    t = schedulers.table(member.scheduler(prediction_type=prediction), 9)
    (method,) = seen
    rng = RNG()
    for i, call in enumerate(method.calls):
        slots, out, noise, said = rng.normal(size=(t.slots, 5)), *rng.normal(size=(3, 5))
        (a, b), (c, d) = reading(call, prediction)
        x0, eps = a * slots[0] + b * out, c * slots[0] + d * out
        scaled = noise * np.exp(call.spread[0] + call.spread[1] * said)
        expected = np.stack(call.update(Values(tuple(slots), slots[0], out, x0, eps, scaled)))
        got = testbed.row(linear(t), i, slots, out, noise, said)
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)
        # Roundings are of the size of the terms; a score is multiplied by sigma^2.
        size = max(1.0, np.abs(x0).max())
        np.testing.assert_allclose(
            call.now.alpha * x0 + call.now.sigma * eps, slots[0], rtol=1e-10, atol=1e-10 * size
        )


# 2. Straight line


def assert_line(t, *predictions, keeps_variance=True):
    """x0 known exactly: its factor is alpha at every level, and all noise together has sigma.

    Coordinates are (x0, first noise, fresh noises...): the norm over the noises is the standard
    deviation of the sample around alpha x0. One prediction type is for all rows, several for one
    row each.
    """
    words = predictions if len(predictions) > 1 else predictions * t.rows
    basis = np.eye(2 + t.rows)
    begin = t.alpha[0] * basis[0] + t.sigma[0] * basis[1]
    path = testbed.run(
        t, lambda i, x: testbed.model_output(words[i], t, i, x, basis[0]), begin, basis[2:]
    )
    np.testing.assert_allclose(path[:, 0], t.alpha, atol=1e-8)
    if keeps_variance:
        np.testing.assert_allclose(np.linalg.norm(path[:, 1:], axis=1), t.sigma, atol=1e-8)
    return path


@every_member
@settings(max_examples=12, deadline=None)
@given(
    steps=st.integers(1, 60),
    spacing=st.sampled_from(lv.SPACINGS),
    data=st.data(),
)
def test_straight_line(member, steps, spacing, data):
    """Constant x0 and eps stay on the line; a stochastic sampler keeps mean and variance."""
    start = data.draw(st.integers(0, steps - 1))
    prediction = data.draw(st.sampled_from(member.predictions))
    own = {"timestep_spacing": spacing} if member.spaced else {}
    s = member.scheduler(**own, prediction_type=prediction)
    t = schedulers.table(s, steps, start=start)
    path = assert_line(t, prediction, keeps_variance=member.keeps_variance)
    if not member.stochastic:
        np.testing.assert_allclose(path[:, 1], t.sigma, atol=1e-8)


@every_member
def test_variance(member):
    """Kept exactly where the list says so, and not elsewhere."""
    t = schedulers.table(member.scheduler(), 10)
    path = assert_line(t, member.predictions[0], keeps_variance=member.keeps_variance)
    error = np.abs(np.linalg.norm(path[:, 1:], axis=1) - t.sigma).max()
    assert (error < 1e-8) == member.keeps_variance, error


def test_the_large_variance_of_ddpm_is_exact_for_unit_normal_data():
    """x0 unit normal, so E[x0 | x] = alpha x: every sample stays unit normal."""
    s = schedulers.from_config(SD, "ddpm", variance_type="fixed_large")
    t = schedulers.table(s, 20)
    basis = np.eye(1 + t.rows)
    model = lambda i, x: testbed.model_output("epsilon", t, i, x, t.alpha[i] * x)  # noqa: E731
    path = testbed.run(t, model, basis[0], basis[1:])
    np.testing.assert_allclose(np.linalg.norm(path[:-1], axis=1), 1, atol=1e-10)


# 3. Order of convergence


POINTS = np.linspace(-2, 2, 9)[:, None]
WIDE, NARROW = {"high": 10.0, "low": 0.05}, {"high": 1.0, "low": 0.5}
DATA = {"normal": testbed.NORMAL, "mixture": testbed.MIXTURE}


def built(member):
    """The member's tables for noise ratios, without a bound; both kinds of data run the same."""

    @cache
    def build(ratios):
        return linear(schedulers.table(free(member), sigmas=member.sigmas(ratios)))

    return lambda ratios: build(tuple(ratios))


@every_member
def test_order(member):
    """The measured order is the claimed one, within 0.2; a random sampler claims none."""
    if member.stochastic:
        t = schedulers.table(member.scheduler(), 10)
        assert np.any(t.mix[..., -1])
        assert member.order_ratio is None
        return
    # Above order 2 the errors of start and rest still cancel each other on the wide range.
    high_order = member.order_crowded is not None or member.order_log_snr > 2
    measured = partial(testbed.order, built(member))
    # Counts are whole groups of singlestep methods of order 2 and 3.
    for name, data in DATA.items():
        ends = NARROW if high_order else WIDE
        log_snr = measured(data, lv.exponential, **ends, counts=(120, 240))
        assert abs(log_snr - member.order_log_snr) < 0.2, (name, log_snr)
        even = measured(data, np.linspace, **NARROW, counts=(120, 240))
        assert abs(even - member.order_ratio) < 0.2, (name, even)
        if member.order_crowded is not None:
            full = measured(data, growing(member), **WIDE, counts=(114, 228))
            assert abs(full - member.order_crowded) < 0.2, (name, full)


def growing(member):
    """Levels whose steps grow from the start of the member's run."""
    if not member.upward:
        return testbed.crowded
    return lambda high, low, count: testbed.crowded(low, high, count)[::-1]


@every_member
def test_order_in_short(member):
    """What `mdx samplers` shows: the order without the warm-up's limit, rounded."""
    if member.stochastic:
        with pytest.raises(ValueError, match="adds noise"):
            testbed.order(built(member))
        return
    order = testbed.order(built(member), ramp=growing(member))
    assert round(order) == (member.order_crowded or member.order_log_snr)


# 5. Collapse identities


@settings(max_examples=20, deadline=None)
@given(
    steps=st.integers(1, 40),
    spacing=st.sampled_from(["leading", "trailing"]),
    prediction=st.sampled_from(PREDICTIONS),
    clean=st.booleans(),
)
def test_first_order_methods_are_one(steps, spacing, prediction, clean):
    """DDIM without noise = Euler = first-order DPM-Solver++, on the same levels."""
    own = schedulers.from_config(SD, "ddim", prediction_type=prediction, timestep_spacing=spacing)
    grid = schedulers.table(own, steps)
    sigmas = np.append(grid.sigma[:-1] / grid.alpha[:-1], 0.0 if clean else 0.02)
    tables = [
        schedulers.table(
            schedulers.from_config(SD, name, prediction_type=prediction, **options), sigmas=sigmas
        )
        for name, options in [("ddim", {}), ("euler", {}), ("dpmpp_2m", {"solver_order": 1})]
    ]
    a, b, c = (testbed.response(t._replace(init_noise_scale=np.ones(()))) for t in tables)
    np.testing.assert_allclose(b, a, atol=1e-10 * np.abs(a).max())
    np.testing.assert_allclose(c, a, atol=1e-10 * np.abs(a).max())


@pytest.mark.parametrize("steps", [1, 7, 30])
def test_ancestral_noise_is_one(steps):
    """DDPM = DDIM with eta 1 = ancestral Euler; LMS of order 1 = Euler."""
    for names in (("ddpm", "ddim", "euler_a"), ("euler", "lms")):
        own = {"ddim": {"eta": 1.0}, "lms": {"order": 1}}
        a, *rest = (
            schedulers.table(schedulers.from_config(SD, n, **own.get(n, {})), sigmas=ramp(steps))
            for n in names
        )
        for b in rest:
            np.testing.assert_allclose(unit_response(b), unit_response(a), atol=1e-12)


def unit_response(t):
    """The final sample as a combination of (first sample, outputs, noises)."""
    return testbed.response(t._replace(init_noise_scale=np.ones(())))


@pytest.mark.parametrize("solver", ["midpoint", "heun"])
def test_first_row_of_2m_is_ddim(solver):
    sigmas = ramp(12)
    s = schedulers.from_config(SD, "dpmpp_2m", solver_type=solver)
    first = schedulers.take(schedulers.table(s, sigmas=sigmas), slice(0, 1))
    ddim = schedulers.table(schedulers.from_config(SD, "ddim"), sigmas=sigmas)
    np.testing.assert_allclose(
        testbed.response(first._replace(init_noise_scale=np.ones(()))),
        testbed.response(schedulers.take(ddim, slice(0, 1))),
        atol=1e-12,
    )


@pytest.mark.parametrize("name", ["edm_euler", "edm_dpmpp_2m", "cosine_dpmpp_2m"])
def test_preconditioning(name):
    """Unit normal data, times sigma_data: the model's input and its target have unit variance.

    That is how arXiv 2206.00364, appendix B.6, derives c_in and c_out. Data of deviation 1 make
    the model one of "v_prediction" in these coordinates.
    """
    for std in (0.5, 1.0):
        t = schedulers.table(
            schedulers.from_config(SD, name, sigma_data=std, prediction_type="v_prediction"), 9
        )
        alpha, sigma = t.alpha[:-1], t.sigma[:-1]
        np.testing.assert_allclose(t.scale * np.hypot(alpha * std, sigma), 1, rtol=1e-12)
        # x0 = a x + b out: the target (x0 - a x) / b as a combination of (x0, eps).
        a, b = t.denoise.T
        target = np.hypot((1 - a * alpha) * std, a * sigma) / np.abs(b)
        np.testing.assert_allclose(target, 1, rtol=1e-10)
        if std == 1:
            np.testing.assert_allclose(t.denoise, np.stack([alpha, -sigma], -1), atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_deis_is_the_exact_dpm_solver(order):
    """A polynomial in log rho is one in lambda, and d rho is the exponential."""
    own = {"algorithm_type": "dpmsolver", "solver_type": "heun", "lower_order_final": False}
    a, b = (
        schedulers.table(
            schedulers.from_config(SD, name, solver_order=order, **options), sigmas=ramp(20)
        )
        for name, options in (("deis", {"lower_order_final": False}), ("dpmpp_2m", own))
    )
    np.testing.assert_allclose(unit_response(a), unit_response(b), atol=1e-11)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("x0", "kind"), [(True, "dpmsolver++"), (False, "dpmsolver")])
def test_unipc_without_correctors_is_dpm_solver(order, x0, kind):
    """bh2 weighs two values as "midpoint" does, and more of them exactly."""
    own = {"solver_order": order, "lower_order_final": False}
    options = {
        "unipc": {"disable_corrector": tuple(range(20)), "predict_x0": x0},
        "dpmpp_2m": {"algorithm_type": kind},
    }
    a, b = (
        schedulers.table(schedulers.from_config(SD, name, **own, **o), sigmas=ramp(20))
        for name, o in options.items()
    )
    np.testing.assert_allclose(unit_response(a), unit_response(b), atol=1e-11)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_step_to_the_same_level_is_identity(eta):
    level = lv.Level(500.0, 0.6, 0.8)
    x, eps, noise = RNG().normal(size=(3, 4))
    x0 = (x - 0.8 * eps) / 0.6
    (same,) = update(Values((x,), x, eps, x0, eps, noise), level, level, eta)
    np.testing.assert_allclose(same, x, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    steps=st.integers(1, 60),
    spacing=st.sampled_from(["leading", "trailing"]),
    prediction=st.sampled_from(["epsilon", "v_prediction"]),
    clean=st.booleans(),
)
def test_ddim_there_and_back(steps, spacing, prediction, clean):
    """DDIM and then its inverse: with each step's eps told again, the noise comes back."""
    own = {"timestep_spacing": spacing, "set_alpha_to_one": clean}
    down, up = (
        schedulers.table(schedulers.from_config(SD, name, prediction_type=prediction, **own), steps)
        for name in ("ddim", "ddim_inverse")
    )
    np.testing.assert_array_equal(up.t, down.t[::-1])
    eps = RNG().normal(size=(steps, 4))
    path = testbed.run(down, lambda i, x: heard(prediction, down, i, x, eps[i]), np.ones(4))
    back = testbed.run(up, lambda i, x: heard(prediction, up, i, x, eps[-1 - i]), path[-1])
    np.testing.assert_allclose(back, path[::-1], atol=1e-9)


def heard(prediction, t, i, x, eps):
    """What a model returns when it believes in eps."""
    return testbed.to_prediction(
        prediction, t.alpha[i], t.sigma[i], (x - t.sigma[i] * eps) / t.alpha[i], eps
    )


def test_first_row_of_sa_solver_is_ddim():
    """One node and tau 0."""
    sigmas = ramp(9)
    s = schedulers.from_config(SD, "sa_solver", predictor_order=1, corrector_order=1, tau_func=0.0)
    first, ddim = (
        schedulers.take(schedulers.table(x, sigmas=sigmas), slice(0, 1))
        for x in (s, schedulers.from_config(SD, "ddim"))
    )
    np.testing.assert_allclose(unit_response(first), unit_response(ddim), atol=1e-12)


# 6. Composition


@every_member
@settings(max_examples=6, deadline=None)
@given(steps=st.integers(2, 30), data=st.data())
def test_split_anywhere(member, steps, data):
    """A one-step method split anywhere is the same table; a multistep one warms up again."""
    k = data.draw(st.integers(1, steps - 1))
    s = free(member)
    sigmas = member.sigmas(ramp(steps))
    whole = schedulers.table(s, sigmas=sigmas)
    late = schedulers.table(s, sigmas=sigmas, start=k)
    calls_before = whole.rows - late.rows
    if not member.one_step or member.jumps:
        calls_before = int(np.argmax(np.isclose(whole.alpha, late.alpha[0])))
    early = schedulers.take(whole, slice(0, calls_before))
    again = schedulers.concat(early, late)
    if member.one_step and not member.jumps:
        for name in ("t", "denoise", "mix", "alpha", "sigma"):
            np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
        split = schedulers.concat(early, schedulers.take(whole, slice(calls_before, None)))
        np.testing.assert_array_equal(split.mix, whole.mix)
    assert_line(again, member.predictions[0], keeps_variance=member.keeps_variance)


@pytest.mark.parametrize("member", [m for m in MEMBERS if not m.one_step], ids=lambda m: m.id)
def test_history_cannot_be_cut(member):
    whole = schedulers.table(member.scheduler(), 20)
    reads = np.any(whole.mix[:, 0, 1 : whole.slots] != 0, axis=1)
    for row in np.flatnonzero(reads)[-3:]:
        with pytest.raises(ValueError, match="no earlier row has filled"):
            schedulers.take(whole, slice(row, None))


def kind(member):
    """What may matter where one run follows another."""
    reads_back = not member.one_step and not member.stages
    return member.coordinates, reads_back, member.stochastic, member.keeps_variance, member.upward


# The first member of each kind.
KINDS = list({kind(member): member for member in reversed(MEMBERS)}.values())


@cache
def half(i, first):
    """Member i on the first half of 16 steps, or on the second; an inversion's run begins there."""
    member, sigmas = MEMBERS[i], ramp(16)
    if first:
        ends = sigmas[8:] if member.upward else sigmas[:9]
        return schedulers.table(free(member), sigmas=member.sigmas(ends))
    return schedulers.table(free(member), sigmas=member.sigmas(sigmas), start=8)


@every_member
def test_swap_half_way(member):
    """Any sampler may take over from one of any kind where a level is shared, and the other way."""
    pairs = [(member, other) for other in KINDS] + [(other, member) for other in KINDS]
    for one, other in pairs:
        a, b = half(MEMBERS.index(one), True), half(MEMBERS.index(other), False)
        # Churn begins above the level that the other ends on: see below.
        if other.coordinates != one.coordinates or free(other).config.get("s_churn"):
            with pytest.raises(ValueError, match="cannot go on at"):
                schedulers.concat(a, b)
            continue
        chain = schedulers.concat(unasked(a), unasked(b))
        assert chain.slots == max(a.slots, b.slots)
        assert chain.rows == a.rows + b.rows
        words = [one.predictions[0]] * a.rows + [other.predictions[0]] * b.rows
        both = one.keeps_variance and other.keeps_variance
        assert_line(chain, *words, keeps_variance=both)


@pytest.mark.parametrize("name", ["euler", "heun"])
def test_churn_begins_above_its_level(name):
    """A run with churn begins at the raised level, and is told apart when chains are joined."""
    churned = schedulers.from_config(SD, name, s_churn=3.0)
    sigmas = ramp(16)
    late = schedulers.table(churned, sigmas=sigmas, start=8)
    assert late.sigma[0] / late.alpha[0] == pytest.approx(sigmas[8] * (1 + 3 / 16))
    plain = schedulers.table(schedulers.from_config(SD, name), sigmas=sigmas[:9])
    with pytest.raises(ValueError, match="cannot go on at"):
        schedulers.concat(plain, late)


# 7. Parametrisations


@every_member
def test_parametrisations_agree(member):
    """One denoiser, told as eps, v, x0 or velocity, makes one trajectory."""
    noises = RNG().normal(size=(40, *POINTS.shape))
    paths = []
    for prediction in member.predictions:
        t = schedulers.table(member.scheduler(prediction_type=prediction), 15)
        model = lambda i, x, t=t, p=prediction: testbed.model_output(  # noqa: E731
            p, t, i, x, testbed.denoised(testbed.MIXTURE, t.alpha[i], t.sigma[i], x)
        )
        paths.append(testbed.run(t, model, POINTS, noises))
    for path in paths[1:]:
        np.testing.assert_allclose(path, paths[0], atol=1e-9)


# Runge-Kutta apart from the table


def test_pndm_with_few_levels():
    """Runge-Kutta never needs levels that are not there."""
    for steps in range(1, 8):
        s = schedulers.from_config(SD, skip_prk_steps=False)
        t = schedulers.table(s, steps)
        assert t.rows == steps + 3 * min(3, steps - 1)
        assert_line(t, "epsilon")
    levels = lv.Levels(np.array([9.0, -1]), np.array([0.5, 1.0]), np.array([0.5, 0.0]))
    assert len(pndm(levels).calls) == 1
