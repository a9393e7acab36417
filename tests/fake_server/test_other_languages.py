"""Node, without an SDK, drives a session, sets a fault and reads the verdict."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fake_server.running import LiveServer

NODE = shutil.which("node")
SCRIPT = Path(__file__).parents[2] / "examples" / "node" / "session.mjs"


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_a_script_of_node_controls_the_server(tinker_fake_server: LiveServer):
    run = subprocess.run(
        [NODE or "", str(SCRIPT), tinker_fake_server.url], capture_output=True, text=True, timeout=120
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "optim_step: 429, again in 2 s" in run.stdout
    assert run.stdout.endswith("verdict: clean\n")
