"""How long it takes until the server answers, the help shows, the plugin is imported."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from statistics import median

from benchmarks.client import Client
from benchmarks.figure import Figure, Target, below
from benchmarks.process import SERVE, TINKERPROOF, serving
from benchmarks.rounds import interleaved, median_ratio

__all__ = ["measure"]

EMPTY = (sys.executable, "-c", "pass")
IMPORT_PLUGIN = (
    "import pytest, time; start = time.perf_counter(); import fake_server.pytest_plugin; "
    "print(1e3 * (time.perf_counter() - start))"
)
FIXTURES = """
import json, time
from statistics import median
from contract import BackendOptions
from fake_server.clock import SystemClock
from fake_server.fixtures import Servers, opened
from fake_server.settings import Settings
from fake_server.running import find_backend
import pytest

class Test:
    name = "test_it"
    nodeid = "test_it"
    stash = pytest.Stash()
    def get_closest_marker(self, name): return None
    def iter_markers(self, name): return ()

servers, seconds = Servers(BackendOptions()), []
find_backend("scripted")
for number in range(200):
    start = time.perf_counter()
    with opened(servers.of("scripted"), Test(), Settings(), SystemClock()):
        seconds.append(time.perf_counter() - start)
print(json.dumps([1e3 * seconds[0], 1e3 * median(seconds[1:])]))
servers.stop()
"""
"""The fixture as a test has it, once its module is imported; the first one imports the control API, too."""


def measure(rounds: int = 5) -> list[Figure]:
    """Seconds from the start of a process, beside those of an empty one."""
    runs = (_first_answer, partial(_run, (*TINKERPROOF, "--help")), partial(_run, EMPTY), _plugin_import_ms)
    first, helped, empty, plugin = interleaved(rounds, *runs)

    firsts, nexts = map(median, zip(*(_fixture_ms() for _ in range(rounds)), strict=True))

    def beside_empty(measure: str, ours: list[float], target: Target) -> Figure:
        compared = ("python -c pass", median(empty))
        return Figure(measure, median(ours), "s", (target,), compared, median_ratio(ours, empty))

    return [
        beside_empty("`tinkerproof serve`, process start to first answer", first, below(1.0)),
        beside_empty("`tinkerproof --help`", helped, below(0.3)),
        Figure(
            "fixture `tinker_fake`, the first of a run, after `import fake_server.fixtures`",
            firsts,
            "ms",
            (below(50),),
        ),
        Figure("fixture `tinker_fake`, each one after it", nexts, "ms", (below(2),)),
        Figure("import of the pytest plugin on top of pytest", median(plugin), "ms", (below(60),)),
    ]


def _first_answer() -> float:
    start = time.perf_counter()
    with serving(SERVE) as served:
        client = Client(served.url)
        client.call("GET", "/api/v1/healthz")
        seconds = time.perf_counter() - start
        client.close()
    return seconds


def _run(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _plugin_import_ms() -> float:
    return float(subprocess.check_output([sys.executable, "-c", IMPORT_PLUGIN], text=True))


def _fixture_ms() -> tuple[float, float]:
    first, later = json.loads(subprocess.check_output([sys.executable, "-c", FIXTURES], text=True))
    return first, later
