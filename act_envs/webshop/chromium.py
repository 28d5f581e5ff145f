"""One headless Chromium with its driver: found, started, and ended with all that belongs to it.

Both come from the user's system (Debian: chromium and chromium-driver); nothing is downloaded. They
run in a process group and a folder of their own, which end when ``close`` is called, when the
object is collected, and when this process dies, however it does. Of sites it reaches those on
127.0.0.1 alone.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from act_envs.errors import AssetsNotFound, MissingExtra, SimulatorError

try:
    from PIL import Image
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver import ChromeOptions, Proxy, Remote
    from selenium.webdriver.common.proxy import ProxyType
    from selenium.webdriver.remote.client_config import ClientConfig
    from urllib3.exceptions import HTTPError
except ImportError as error:
    raise MissingExtra(
        "a real browser needs selenium and Pillow. "
        'Run: pip install "agentic-critical-training[browser,webshop]"'
    ) from error

_log = logging.getLogger(__name__)

FAILURES = (WebDriverException, HTTPError, OSError)
"""What the methods of a driver raise when the browser or its driver fail or die."""

WIDTH, HEIGHT = 1280, 800  # pixels of a page that are seen at once

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_INSTALL = "On Debian and Ubuntu: apt-get install chromium chromium-driver"
_START_TIMEOUT = 60.0  # seconds until the driver listens; a start takes two of CPU
_ANSWER_TIMEOUT = 120  # seconds for one command of the driver
_PORT = re.compile(rb"started successfully on port (\d+)")
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # 64 MB in a container
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
)
# The shell reads from a pipe that this process holds. When that ends, all of the group do.
_UNTIL_WE_END = """
home=$1; shift
"$@" &
read -r _
trap "" TERM; kill -TERM 0; sleep 1
rm -rf -- "$home"
kill -KILL 0
"""


class Chromium:
    """A running browser.

    Attributes:
        driver: selenium's, which speaks to it. Not safe for threads.
        home: the folder of its profile and log.

    Raises:
        AssetsNotFound: there is no Chromium or no driver on this machine.
        SimulatorError: they do not start.
    """

    def __init__(self) -> None:
        browser, driver = find_chromium(), find_driver()
        try:
            try:
                self.driver = self._start(browser, driver)
            except TimeoutError:  # seen: a driver that never listens, and another that does
                _log.warning("%s does not answer; another one is started", driver)
                self.driver = self._start(browser, driver)
        except FAILURES as error:
            raise SimulatorError(
                f"{browser} does not start with {driver}: {_first_line(error)} They must be of "
                f"one version. {_INSTALL}"
            ) from error
        _log.debug("Chromium runs in process group %d", self.process.pid)

    def _start(self, browser: str, driver: str) -> Remote:
        """Start both. Where that fails, nothing of them is left."""
        self.home = Path(tempfile.mkdtemp(prefix="act-chromium-"))
        log = self.home / "driver.log"
        places = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
        try:
            with log.open("wb") as output:
                self.process = subprocess.Popen(
                    ["sh", "-c", _UNTIL_WE_END, "sh", str(self.home), driver, "--port=0"],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **dict.fromkeys(places, str(self.home))},
                    start_new_session=True,  # Ctrl-C is for Python
                )
        except BaseException:
            shutil.rmtree(self.home, ignore_errors=True)
            raise
        self._owner = os.getpid()
        self._end = weakref.finalize(self, _end, self.process, self.home, self._owner)
        try:
            return _connect(_port(log), browser, self.home)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it was started here, not before a fork, and was not closed."""
        return self._end.alive and os.getpid() == self._owner

    def screenshot(self) -> np.ndarray:
        """What is seen of the page: (``HEIGHT``, ``WIDTH``, 3), uint8, red, green, blue."""
        with Image.open(io.BytesIO(self.driver.get_screenshot_as_png())) as image:
            return np.array(image.convert("RGB"))

    def close(self) -> None:
        """End it. May be called twice."""
        self._end()


def find_chromium() -> str:
    """The path of a Chromium: ``$CHROMIUM``, else the first of some names in ``PATH``.

    Raises:
        AssetsNotFound: there is none.
    """
    names = (os.environ["CHROMIUM"],) if os.environ.get("CHROMIUM") else _NAMES
    for name in names:
        if found := shutil.which(name):
            return found
    raise AssetsNotFound(
        f"no chromium found ({', '.join(names)}). {_INSTALL}, or set CHROMIUM to its path."
    )


def find_driver() -> str:
    """The path of ``chromedriver``, from ``PATH``.

    Raises:
        AssetsNotFound: there is none.
    """
    if found := shutil.which("chromedriver"):
        return found
    raise AssetsNotFound(f"no chromedriver found, which chromium is driven with. {_INSTALL}")


def _port(log: Path) -> int:
    """Where the driver listens, as it says when it does."""
    deadline = time.monotonic() + _START_TIMEOUT
    while (said := _PORT.search(log.read_bytes())) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer for {_START_TIMEOUT:.0f} seconds.")
        time.sleep(0.02)
    return int(said[1])


def _connect(port: int, browser: str, home: Path) -> Remote:
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (
        *_FLAGS,
        f"--user-data-dir={home / 'profile'}",
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),  # it would not start
    ):
        options.add_argument(flag)
    metrics: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "pixelRatio": 1.0}
    options.add_experimental_option(
        "mobileEmulation", {"deviceMetrics": {**metrics, "mobile": False, "touch": False}}
    )
    config = ClientConfig(
        f"http://127.0.0.1:{port}",
        timeout=_ANSWER_TIMEOUT,
        proxy=Proxy({"proxyType": ProxyType.DIRECT}),
    )
    return Remote(f"http://127.0.0.1:{port}", options=options, client_config=config)


def _end(process: subprocess.Popen[bytes], home: Path, owner: int) -> None:
    """End the group and remove its folder. Nothing in it is worth a farewell."""
    if os.getpid() != owner:  # a fork must not end what is its parent's
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdin is not None
    process.stdin.close()
    for _ in range(50):  # the last of the group may be writing still
        shutil.rmtree(home, ignore_errors=True)
        if not home.exists():
            return
        time.sleep(0.02)
    _log.warning("%s could not be removed", home)


def _first_line(error: BaseException) -> str:
    said = str(getattr(error, "msg", None) or error).strip().splitlines()
    return said[0] if said else type(error).__name__
