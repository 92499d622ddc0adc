"""The boundary scalings of consistency models, and what ties their samplers to the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import schedulers
from mdx.schedulers import testbed
from mdx.schedulers.lcm import boundary
from tests.schedulers.members import SD


def table(name, steps=None, *, sigmas=None, **own):
    return schedulers.table(schedulers.from_config(SD, name, **own), steps, sigmas=sigmas)


@pytest.mark.parametrize("scaling", [0.01, 1.0, 10.0])
def test_consistency_function_is_the_identity_at_time_0(scaling):
    """arXiv 2310.04378, section 4.1: f(x, 0) = x, whatever the network returns."""
    assert boundary(0.0, scaling) == (1.0, 0.0)
    s = schedulers.from_config(SD, "lcm", timestep_scaling=scaling)
    t = schedulers.table(s, timesteps=[999, 0])
    np.testing.assert_array_equal(t.denoise[-1], [1, 0])


@settings(max_examples=40, deadline=None)
@given(t=st.floats(0, 999), scaling=st.floats(0.01, 20))
def test_boundary_keeps_unit_variance_at_sigma_data(t, scaling):
    """x of size 1/2 and a network of size 1, independent: f has size c_skip / 2, then c_out."""
    skip, out = boundary(t, scaling)
    assert 0 <= skip <= 1
    assert 0 <= out <= 1
    assert skip + out**2 == pytest.approx(1)


@pytest.mark.parametrize("least", [0.002, 0.1])
def test_preconditioned_network_is_the_identity_at_sigma_min(least):
    """arXiv 2303.01469, equation 5: f(x, sigma_min) = x."""
    near = least * (1 + 1e-9)
    t = table("cm", sigmas=[10.0, near, least], sigma_min=least)
    np.testing.assert_allclose(t.denoise[-1], [1, 0], atol=1e-8)
    np.testing.assert_allclose(t.scale[0], 1 / np.hypot(10, 0.5))


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 40), least=st.floats(0.001, 0.05))
def test_consistency_models_know_what_is_clean(steps, least):
    """A function that always says x0: each sample is x0 and noise of what is above sigma_min."""
    t = table("cm", steps, sigma_min=least, num_train_timesteps=40)
    basis = np.eye(1 + t.rows)
    # At sigma_min the function is the identity and hears nothing of the network.
    model = lambda i, x: testbed.required_output(t, i, x, basis[0])  # noqa: E731
    path = testbed.run(t, model, basis[0], basis[1:])
    np.testing.assert_allclose(path[:, 0], 1, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(path[1:, 1:], axis=1), t.sigma[1:], atol=1e-9)
    assert t.sigma[-1] == 0


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_tcd_between_ddim_and_consistency(steps):
    """TCD goes along the trajectory with eta 0: DDIM. To the end of it and back with eta 1: LCM."""
    sigmas = np.append(np.geomspace(10, 0.1, steps), 0.0)
    ends = {
        "tcd": table("tcd", sigmas=sigmas, eta=0.0),
        "ddim": table("ddim", sigmas=sigmas),
    }
    np.testing.assert_allclose(ends["tcd"].mix, ends["ddim"].mix, atol=1e-12)
    jump = table("tcd", sigmas=sigmas, eta=1.0)
    lcm = table("lcm", sigmas=sigmas, timestep_scaling=1e9)
    # Its trajectory ends at the first training step, sigma 0.03, where eps still counts.
    np.testing.assert_allclose(testbed.response(jump), testbed.response(lcm), atol=0.03)


@pytest.mark.parametrize("data", [0.5, 1.0, 2.0])
def test_trigflow_is_v_prediction_of_scaled_data(data):
    """Data of size `data` and a network for unit data: only the last step sees the size."""
    s = schedulers.from_config({}, "scm", sigma_data=data)
    unit = schedulers.table(schedulers.from_config({}, "scm", sigma_data=1.0), 5)
    t = schedulers.table(s, 5)
    np.testing.assert_allclose(testbed.response(t), data * testbed.response(unit), atol=1e-12)
    np.testing.assert_allclose(unit.denoise, np.stack([unit.alpha, -unit.sigma], -1)[:-1])


@pytest.mark.parametrize("name", ["lcm", "tcd", "scm"])
def test_two_steps_are_published_settings(name):
    """LCM and TCD at the times they were distilled on; sCM at 1.5708 and 1.3."""
    t = schedulers.table(schedulers.from_config({}, name), 2)
    assert t.t.tolist() == ([1.5708, 1.3] if name == "scm" else [999, 499])
