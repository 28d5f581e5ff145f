"""Upstream's Python package of ScienceWorld, unchanged, to compare and to time with.

What is added is around it: deterministic hash codes of its Java, a step limit that nobody
reaches, and an end that leaves no process. ``polite`` makes it comparable: upstream's wrapper asks
for the valid actions at every step, and naming them draws random numbers of the episode; a polite
one puts the random generator back after each list.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, cast
from unittest import mock

from scienceworld import ScienceWorldEnv

from act_envs.scienceworld.jre import find_java

HASHES = "-XX:+UnlockExperimentalVMOptions -XX:hashCode=2"
_SCRAMBLE = 0x5DEECE66D  # what java.util.Random xors its seed with


class Upstream(ScienceWorldEnv):
    """Upstream's environment in a Java process of its own, until ``close``.

    Args:
        options: further options of Java.
        polite: put the random generator back after each list of valid actions.
    """

    def __init__(self, options: str = "", *, polite: bool = False) -> None:
        self.polite = polite
        path = os.pathsep.join((str(Path(find_java()).parent), os.environ.get("PATH", "")))
        with mock.patch.dict(os.environ, JAVA_TOOL_OPTIONS=f"{HASHES} {options}", PATH=path):
            super().__init__(envStepLimit=10**9)
        self._jvm = cast(Any, self._gateway.jvm)
        module = self._jvm.java.lang.Class.forName("scala.util.Random$").getField("MODULE$")
        self._random = module.get(None).self()

    @property
    def pid(self) -> int:
        """The Java process."""
        assert self._gateway.java_process is not None
        return self._gateway.java_process.pid

    def begin(self, task_id: str, simplifications: str = "") -> tuple[str, dict[str, Any]]:
        """Load a task and reset; what ``reset`` gives."""
        name, _, variation = task_id.partition("/")
        self.load(name, int(variation), simplifications)
        return self.reset()

    def in_error(self) -> bool:
        """Whether its simulator has thrown an exception, which it reports as a failed episode."""
        return cast(Any, self.server).agentInterface().get().isInErrorState()

    def get_valid_action_object_combinations(self) -> list[str]:
        """Upstream's valid actions."""
        if not self.polite:
            return super().get_valid_action_object_combinations()
        data = self._jvm.java.io.ByteArrayOutputStream()
        self._jvm.java.io.ObjectOutputStream(data).writeObject(self._random)
        (state,) = struct.unpack(">q", data.toByteArray()[-9:-1])
        try:
            return super().get_valid_action_object_combinations()
        finally:
            self._random.setSeed(state ^ _SCRAMBLE)

    def close(self) -> None:
        """Upstream's end, and the process waited for. May be called twice."""
        process = self._gateway.java_process
        assert process is not None
        if process.returncode is None:
            super().close()
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
