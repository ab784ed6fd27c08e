"""Time and memory of each recipe: its default run in a process of its own, one after the other.

    python benchmarks/recipes.py [NAME ...]

Prints seconds (with the import of TensorFlow) and peak resident memory. The targets are 60 s and
2 GB on two cores. POSIX only (os.wait4).
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
MAX_SECONDS, MAX_MIB = 60, 2000
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss


def measure(name, folder):
    """Run one recipe; return its exit code, its seconds and its peak memory in MiB."""
    command = [sys.executable, RECIPES / f"{name}.py", "--output", f"{folder}/{name}.png"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = time.perf_counter()
    process = subprocess.Popen(command, **quiet)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    return process.returncode, seconds, usage.ru_maxrss * MAXRSS_BYTES / 2**20


def main(names):
    """Measure the recipes named, or all; return the number of those that failed."""
    known = sorted(path.stem for path in RECIPES.glob("[a-z]*.py"))
    if unknown := [name for name in names if name not in known]:
        print(f"error: no recipe is called {unknown[0]!r}: choose from {known}", file=sys.stderr)
        return 2
    failed = 0
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(f"{'recipe':30}{'seconds':>9}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name in names or known:
            code, seconds, memory = measure(name, folder)
            remark = ""
            if code:
                remark = f"  failed, exit code {code}"
            elif seconds > MAX_SECONDS or memory > MAX_MIB:
                remark = "  over its target"
            print(f"{name:30}{seconds:9.1f}{memory:10.0f}{remark}", flush=True)
            failed += bool(code)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
