"""`python -m fake_server.drift FOLDER`: run the release in a folder. For a process of its own."""

import os
import sys

from fake_server.drift.program import main

__all__: list[str] = []

for name in [name for name in os.environ if name.startswith("TINKER_") or name.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ.update(TINKER_TELEMETRY="0", HF_HUB_OFFLINE="1", NO_PROXY="127.0.0.1")
main(sys.argv[1])
sys.stderr.flush()
os._exit(0)  # heartbeats of old releases would keep the process waiting
