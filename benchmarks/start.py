"""How long until Segue answers? `segue --help` and `import segue`, beside a bare Python and numpy."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

RUNS = 15
PEER = "python -c 'import numpy'"


def commands() -> dict[str, list[str]]:
    segue = Path(sys.executable).with_name("segue")
    if not segue.exists():
        sys.exit(f"{segue} is not there: run `make bench`, or pip install -e . first")
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        PEER: [sys.executable, "-c", "import numpy"],
        "python -c 'import segue'": [sys.executable, "-c", "import segue"],
        "segue --help": [str(segue), "--help"],
    }


def once(command: list[str]) -> tuple[float, float]:
    """Milliseconds, and the most memory held, in MiB."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    took = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(command)} failed with exit code {os.waitstatus_to_exitcode(status)}")
    return 1000 * took, used.ru_maxrss / 1024


def main() -> None:
    named = commands()
    for command in named.values():  # once unmeasured: files read, bytecode written
        once(command)
    rounds = [{name: once(command) for name, command in named.items()} for _ in range(RUNS)]
    took = {name: median(r[name][0] for r in rounds) for name in named}
    held = {name: median(r[name][1] for r in rounds) for name in named}
    parts = ", ".join(f"{name} {version(name)}" for name in ("segue", "numpy", "typer"))
    print(f"Start: medians of {RUNS} runs in turn. Python {platform.python_version()}, {parts}, {os.cpu_count()} cores")
    print(f"{'':26}{'ms':>8}{'× numpy':>10}{'peak MiB':>10}")
    for name in named:
        print(f"{name:26}{took[name]:8.0f}{took[name] / took[PEER]:10.2f}{held[name]:10.0f}")


if __name__ == "__main__":
    main()
