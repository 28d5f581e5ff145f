"""Text environments for language agents behind one Gymnasium contract.

``import act_envs`` registers the ids (``ACT/...``) and loads nothing beyond Gymnasium and numpy.
Simulators, their data and their processes are touched when an environment is made or reset.
"""

from act_envs import registration as _registration
from act_envs.base import TextEnv
from act_envs.types import Snapshot, StepInfo, Task, Turn

__version__ = "0.1.0"
__all__ = ["Snapshot", "StepInfo", "Task", "TextEnv", "Turn", "__version__"]

_registration.register_all()
