"""Builds ``act-scienceworld.jar`` from the Java sources beside it. For developers, not users.

    python -m act_envs.scienceworld.build

needs ``javac`` (17 or newer) and the ``scienceworld`` package. The bytecode runs on Java 8 and
newer, so the jar is shipped as package data and nobody else needs a compiler. The same compiler
gives the same bytes: entries are sorted, uncompressed and carry no times.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from act_envs.errors import AssetsNotFound
from act_envs.scienceworld.jre import HELPER_JAR, simulator_jar

SOURCES = Path(__file__).with_name("java")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold


def source_digest() -> str:
    """SHA-256 of the Java sources; the manifest of the jar records the first 48 digits."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.java")):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def compiler() -> str:
    """Version of the ``javac`` on PATH (``"17.0.15"``).

    Raises:
        AssetsNotFound: there is none.
    """
    javac = shutil.which("javac")
    if javac is None:
        raise AssetsNotFound("no javac on PATH. Install a JDK, 17 or newer.")
    done = subprocess.run([javac, "-version"], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).split()[-1]


def manifest(jar: Path = HELPER_JAR) -> dict[str, str]:
    """What a jar says about itself: ``Source-SHA256`` and ``Built-By-Javac``."""
    with zipfile.ZipFile(jar) as archive:
        text = archive.read("META-INF/MANIFEST.MF").decode()
    return dict(re.findall(r"^([\w-]+): (.*?)\r?$", text, re.MULTILINE))


def build(target: Path = HELPER_JAR) -> Path:
    """Compile the sources and write the jar.

    Args:
        target: where the jar goes.

    Returns:
        ``target``.

    Raises:
        AssetsNotFound: there is no ``javac``.
        subprocess.CalledProcessError: the sources do not compile.
    """
    version = compiler()
    head = (
        "Manifest-Version: 1.0\r\n"
        f"Built-By-Javac: {version}\r\n"
        # A manifest line holds 72 bytes at the most, too few for 64 digits and a long name.
        f"Source-SHA256: {source_digest()[:48]}\r\n\r\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        classes = Path(folder)
        # Not --release, which would hide sun.misc.Unsafe. -XDignore.symbol.file: no word about it.
        flags = ["-source", "8", "-target", "8", "-Xlint:-options", "-XDignore.symbol.file"]
        flags += ["-g:source,lines"]
        sources = [str(path) for path in sorted(SOURCES.rglob("*.java"))]
        subprocess.run(
            ["javac", *flags, "-cp", str(simulator_jar()), "-d", folder, *sources], check=True
        )
        jar = classes / target.name
        with zipfile.ZipFile(jar, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF", _EPOCH), head)
            for path in sorted(classes.rglob("*.class")):
                name = path.relative_to(classes).as_posix()
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes())
        # In one go: a Java that runs would stumble over a jar that changes under it.
        beside = target.with_name(f"{target.name}.new")
        shutil.copyfile(jar, beside)
        beside.replace(target)
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else HELPER_JAR))  # noqa: T201
