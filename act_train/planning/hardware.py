"""Machines to plan for: what a GPU holds and does, and how processes share a model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from act_envs.errors import nearest
from act_train.errors import RecipeError
from act_train.recipe import load

_KINDS = ("NO", "MULTI_GPU", "MULTI_CPU", "DEEPSPEED")


@dataclass(frozen=True)
class Gpu:
    """What one GPU has.

    Attributes:
        name: what it is called.
        memory: bytes.
        bf16: peak FLOP/s of dense products in bfloat16, added up in float32.
        float32: peak FLOP/s in float32.
        bandwidth: of its memory, bytes/s.
    """

    name: str
    memory: float
    bf16: float
    float32: float
    bandwidth: float

    @property
    def unit(self) -> str:
        """What one process has of it, in words."""
        return "core" if self.name == "cpu" else "GPU"

    @property
    def each(self) -> str:
        """Where a process finds its memory: cores have none of their own."""
        return "for each process" if self.name == "cpu" else "on each GPU"


def _own_memory() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


# NVIDIA's data sheets (H100 SXM, H200 SXM, A100 80GB SXM, L40S) and its white paper on the Ada
# architecture (GeForce RTX 4090); without sparsity. A GB is read as 10^9 bytes, though cards have
# some more: the rest is taken by the driver.
GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("h100", 80e9, 989e12, 67e12, 3.35e12),
        Gpu("h200", 141e9, 989e12, 67e12, 4.8e12),
        Gpu("a100", 80e9, 312e12, 19.5e12, 2.039e12),
        Gpu("l40s", 48e9, 362e12, 91.6e12, 864e9),
        Gpu("rtx4090", 24e9, 165e12, 82.6e12, 1.008e12),
        # One core of 2.8 GHz with two units for products of eight float32, and this machine's
        # memory. Most cores have no units for bfloat16.
        Gpu("cpu", _own_memory(), 90e9, 90e9, 10e9),
    )
}


@dataclass(frozen=True)
class Launch:
    """How processes share a model.

    Attributes:
        name: of the configuration for accelerate, ``""`` without one.
        processes: one for each GPU.
        deepspeed: DeepSpeed keeps the weights in two precisions, as arXiv 1910.02054 has it.
        zero: 0: every process holds all; 1: states of the optimizer are shared out, 2: gradients as
            well, 3: weights as well.
        offload: states of the optimizer lie in the memory of the machine.
    """

    name: str = ""
    processes: int = 1
    deepspeed: bool = False
    zero: int = 0
    offload: bool = False


def launch_of(name: str, processes: int | None) -> Launch:
    """Read a configuration for accelerate.

    Args:
        name: a file, or one of the package; ``""`` for none.
        processes: in place of those of the file.

    Raises:
        RecipeError: there is no such file, or it asks for what cannot be planned.
    """
    if not name:
        return Launch(processes=processes or 1)
    told = load(launch_file(name))
    kind = str(told.get("distributed_type", "NO"))
    if kind not in _KINDS:
        raise RecipeError(
            f"{name}: distributed_type: {kind} cannot be planned. Take one of {', '.join(_KINDS)}."
        )
    zero = told.get("deepspeed_config") or {}
    if "deepspeed_config_file" in zero:
        raise RecipeError(
            f"{name}: deepspeed_config_file is not read. Write zero_stage into deepspeed_config."
        )
    deepspeed = kind == "DEEPSPEED"
    return Launch(
        name=Path(name).name,
        processes=processes or int(told.get("num_processes") or 1),
        deepspeed=deepspeed,
        zero=int(zero.get("zero_stage", 2)) if deepspeed else 0,
        offload=deepspeed and zero.get("offload_optimizer_device", "none") != "none",
    )


def launch_file(name: str) -> Path:
    """A configuration of accelerate, by its path or by its name in the package.

    Raises:
        RecipeError: there is none.
    """
    path = Path(name)
    if path.is_file():
        return path
    folder = files("act_train").joinpath("accelerate")
    known = sorted(entry.name for entry in folder.iterdir())
    if name not in known:
        raise RecipeError(f"launch {name!r} does not exist. {nearest(name, known)}")
    return Path(str(folder.joinpath(name)))
