"""The samplers under test, each with what is claimed of it: one list for every property."""

from tests.schedulers.member import LEVELS, PLAIN, SD, Member
from tests.schedulers.members_diffusion import DIFFUSION
from tests.schedulers.members_special import SPECIAL

__all__ = ["IDS", "LEVELS", "MEMBERS", "PLAIN", "SD", "Member"]

MEMBERS = [*DIFFUSION, *SPECIAL]
IDS = [member.id for member in MEMBERS]
