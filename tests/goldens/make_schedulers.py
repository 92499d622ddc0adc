"""Write schedulers.npz: what the reference schedulers do, for tests that run without torch.

Run from the repository's root, with the parity extra installed:

    python -m tests.goldens.make_schedulers

Arrays: `times-I` and `response-I` for case I of tests/schedulers/cases.py, and the float32
alphas_cumprod of each training schedule among them, `schedule-I` being the number of I's;
`picture-I` for what is no linear map.
"""

from pathlib import Path

import numpy as np

from tests.schedulers import compare, reference
from tests.schedulers.cases import CASES, PICTURES

FILE = Path(__file__).with_name("schedulers.npz")

if __name__ == "__main__":
    arrays = {
        "cases": np.array([case.id for case in CASES]),
        "pictures": np.array([case.id for case in PICTURES]),
    }
    for i, case in enumerate(PICTURES):
        _, arrays[f"picture-{i}"] = reference.picture(case, compare.kept(case))
    schedules: dict[bytes, int] = {}
    for i, case in enumerate(CASES):
        times, response = reference.response(case, compare.kept(case))
        arrays[f"times-{i}"], arrays[f"response-{i}"] = times, response
        if compare.kept(case) is None:
            continue
        kept = reference.scheduler(case).alphas_cumprod.float().numpy()
        schedules[kept.tobytes()] = schedules.get(kept.tobytes(), len(schedules))
        arrays[f"schedule-{i}"] = np.array(schedules[kept.tobytes()])
    for kept, j in schedules.items():
        arrays[f"alphas-cumprod-{j}"] = np.frombuffer(kept, np.float32)
    np.savez_compressed(FILE, **arrays)
    print(
        f"{FILE.name}: {FILE.stat().st_size} bytes, {len(CASES)} cases, {len(PICTURES)} pictures, "
        f"{len(schedules)} schedules"
    )
