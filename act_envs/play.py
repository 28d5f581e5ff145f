"""The terminal game behind ``act-envs play``: a person in the agent's place, with undo."""

from __future__ import annotations

import shutil
import sys
import textwrap

from act_envs.base import TextEnv
from act_envs.errors import ActError
from act_envs.types import Snapshot, StepInfo

_HELP = """\
Type an action, or
  :actions [WORDS]  what is admissible here (containing all WORDS)
  :undo             take the last action back
  :goal             the goal again
  :hint             what the expert would do here
  :restart          begin this task again
  :next             another task
  :quit             leave (also Ctrl-D)
The Tab key completes admissible actions."""


class Game:
    """One person playing one environment.

    Args:
        env: the environment.
        task_id: task to start with; drawn when None.
        seed: seed of the draw.
    """

    def __init__(self, env: TextEnv, *, task_id: str | None, seed: int | None) -> None:
        self._env = env
        self._undo: list[Snapshot] = []
        self._matches: list[str] = []
        self._tty = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
        options = None if task_id is None else {"task_id": task_id}
        self._first = env.reset(seed=seed, options=options)
        self._info: StepInfo = self._first[1]

    def run(self) -> int:
        """Play until the person leaves. Returns 0."""
        self._use_tab_key()
        self._begin()
        while True:
            try:
                line = input("> " if self._tty else "").strip()
            except EOFError:
                if self._tty:
                    print()
                return 0
            if not self._tty:
                print(f"> {line}")
            if line in (":quit", ":q"):
                return 0
            if line.startswith(":"):
                self._command(line)
            elif line:
                self._act(line)

    def _begin(self) -> None:
        info = self._info
        self._undo.clear()
        self._say(f"{info['task_id']} ({info['split']})", style="2")
        self._say(info["goal"], style="1")
        print()
        self._say(self._first[0])
        self._say("Type :help for what else you can do.", style="2")

    def _act(self, action: str) -> None:
        env = self._env
        if env.terminated or env.truncated:
            self._say("The episode is over: :undo, :restart, :next or :quit.", style="33")
            return
        snapshot = env.snapshot()
        observation, reward, _, _, self._info = env.step(action)
        self._undo.append(snapshot)
        self._say(observation, style="" if self._info["action_valid"] else "2")
        self._status(reward)

    def _status(self, reward: float = 0.0) -> None:
        info, env = self._info, self._env
        limit = "" if env.step_limit is None else f"/{env.step_limit}"
        gained = f" ({reward:+.2f})" if reward else ""
        self._say(f"step {info['step']}{limit}  score {info['score']:.2f}{gained}", style="2")
        if info["won"]:
            self._say("You won.", style="32;1")
        elif info["failed"]:
            self._say("You failed. :undo takes the last action back.", style="31;1")
        elif env.truncated:
            self._say("Out of steps. :undo takes the last action back.", style="33;1")

    def _command(self, line: str) -> None:
        name, _, rest = line[1:].partition(" ")
        match name:
            case "help" | "h":
                print(_HELP)
            case "actions" | "a":
                self._list(rest.lower().split())
            case "goal" | "g":
                self._say(self._info["goal"], style="1")
            case "hint":
                try:
                    hint = self._env.expert_action() or "The expert does not know from here."
                except ActError as error:
                    hint = str(error)
                self._say(hint)
            case "undo" | "u":
                if not self._undo:
                    self._say("Nothing to undo.", style="33")
                    return
                observation, self._info = self._env.restore(self._undo.pop())
                self._say(observation)
                self._status()
            case "restart" | "next":
                same = {"task_id": self._info["task_id"]} if name == "restart" else None
                self._first = self._env.reset(options=same)
                self._info = self._first[1]
                self._begin()
            case _:
                self._say(f"There is no command :{name}. Type :help.", style="33")

    def _list(self, words: list[str]) -> None:
        offered = self._env.admissible_actions()
        found = [action for action in offered if all(word in action.lower() for word in words)]
        shown = found[:60]
        width = max(map(len, shown), default=0) + 2
        columns = max(1, shutil.get_terminal_size().columns // max(width, 1))
        rows = -(-len(shown) // columns)
        for row in range(rows):
            print("".join(action.ljust(width) for action in shown[row::rows]).rstrip())
        if len(found) > len(shown):
            more = len(found) - len(shown)
            self._say(f"... and {more:,} more; name words to narrow it: :actions open", style="2")
        elif not found:
            self._say(f"None of {len(offered):,} admissible actions.", style="2")

    def _say(self, text: str, *, style: str = "") -> None:
        width = min(shutil.get_terminal_size().columns, 100)
        for line in text.splitlines() or [""]:
            indent = line[: len(line) - len(line.lstrip())]
            body = textwrap.fill(line, width, subsequent_indent=indent) if self._tty else line
            print(f"\x1b[{style}m{body}\x1b[0m" if style and self._tty else body)

    def _use_tab_key(self) -> None:
        """Complete admissible actions where the terminal has readline."""
        if not self._tty:
            return
        try:
            import readline
        except ImportError:  # Windows, or a Python built without it: the game works all the same
            return

        def complete(text: str, state: int) -> str | None:
            if state == 0:
                offered = self._env.admissible_actions()
                self._matches = [action for action in offered if action.startswith(text)]
            return self._matches[state] if state < len(self._matches) else None

        readline.set_completer_delims("\n")
        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")
