"""How long until Segue answers? `segue --help` and `import segue`, beside a bare Python and numpy."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

RUNS = 15
PEER = "python -c 'import numpy'"
PROGRAMS = {
    "python -c pass": "pass",
    PEER: "import numpy",
    "python -c 'import segue'": "import segue",
    "segue --help": "import sys; sys.argv = ['segue', '--help']; from segue.cli import main; main()",
}
PEAK = "import atexit, sys; atexit.register(lambda: sys.stderr.write(open('/proc/self/status').read())); "


def command(name: str) -> list[str]:
    """What a person would type; for `segue`, its script beside this Python."""
    if not name.startswith("segue"):
        return [sys.executable, "-c", PROGRAMS[name]]
    script = Path(sys.executable).with_name("segue")
    if not script.exists():
        sys.exit(f"{script} is not there: run `make bench`, or pip install -e . first")
    return [str(script), *name.split()[1:]]


def milliseconds(name: str) -> float:
    start = time.perf_counter()
    subprocess.run(command(name), check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - start)


def peak(name: str) -> float:
    """The most memory it held, in MiB, as Linux counts it at its end."""
    done = subprocess.run([sys.executable, "-c", PEAK + PROGRAMS[name]], check=True, capture_output=True, text=True)
    held = next(line for line in done.stderr.splitlines() if line.startswith("VmHWM"))
    return int(held.split()[1]) / 1024


def main() -> None:
    held = {
        name: peak(name) for name in PROGRAMS
    }  # these runs also read files and write bytecode, before the clock runs
    rounds = [{name: milliseconds(name) for name in PROGRAMS} for _ in range(RUNS)]
    took = {name: median(r[name] for r in rounds) for name in PROGRAMS}
    parts = ", ".join(f"{name} {version(name)}" for name in ("segue", "numpy", "typer"))
    print(f"Start: medians of {RUNS} runs in turn. Python {platform.python_version()}, {parts}, {os.cpu_count()} cores")
    print(f"{'':26}{'ms':>8}{'× numpy':>10}{'peak MiB':>10}")
    for name in PROGRAMS:
        print(f"{name:26}{took[name]:8.0f}{took[name] / took[PEER]:10.2f}{held[name]:10.0f}")


if __name__ == "__main__":
    main()
