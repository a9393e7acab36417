"""A whole life in one release of the SDK on each backend. Run with that release on the path.

Arguments: one JSON object for each backend, `{"backend", "folder", "url", "key", "flags_url"}`. The last line
that it prints is JSON; the error stream tells how long each feature took.
"""

import json
import os
import sys
import time
import traceback
import urllib.request
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any

import tinker
import torch
import transformers

from tests.sdk.matrix import (
    cli_features,
    offers,
    rest_features,
    sampling_features,
    training_features,
    weights_features,
    wire_features,
)
from tests.sdk.matrix.feature import Feature, in_order
from tests.sdk.matrix.world import Refused, World

__all__ = ["FEATURES"]

MODULES = (
    cli_features,
    rest_features,
    sampling_features,
    training_features,
    weights_features,
    wire_features,
)
"""Imported for the features that they register."""
FEATURES = in_order()
IMPORTED = (torch, transformers.AutoTokenizer, transformers.PreTrainedTokenizerFast)
"""What releases import when they need it, and what costs most of the time."""
HEARTBEAT_SECONDS = 60
"""Ours: six times that between two heartbeats. Source: sdk 0.38.0 lib/internal_client_holder.py."""


def outcome(world: World, feature: Feature, *, in_coroutines: bool) -> dict[str, str]:
    """What came of a use: `ok`, `refused` or `failed`, with the words of it."""
    world.in_coroutines = in_coroutines
    try:
        feature.use(world)
    except Refused as refusal:
        return {"state": "refused", "text": str(refusal)}
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{os.path.basename(where.filename)}:{where.lineno}"
        how = "in coroutines: " if in_coroutines else ""
        return {"state": "failed", "text": f"{how}{type(error).__name__}: {error} ({line})"}
    return {"state": "ok"}


def life(world: World) -> dict[str, dict[str, str]]:
    """The outcome of each feature that the release has; of the second round where the first was good."""
    told = {}
    for feature in FEATURES:
        start = time.monotonic()
        if all(map(offers.has, feature.needs)):
            found = outcome(world, feature, in_coroutines=False)
            if found["state"] == "ok" and not feature.once:
                found = outcome(world, feature, in_coroutines=True)
            told[feature.key] = found
            seconds = f"{time.monotonic() - start:6.2f} s"
            print(f"{world.backend} {seconds} {feature.key}: {found['state']}", file=sys.stderr, flush=True)
    return told


def outlast_heartbeat(url: str) -> None:
    """Wait until the server has seen one: on a fast machine a life is over before the first."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + HEARTBEAT_SECONDS
    while time.monotonic() < end:
        with opener.open(f"{url}/-/journal?operation=session_heartbeat") as answer:
            if json.load(answer)["entries"]:
                return
        time.sleep(0.2)


def lived(given: dict[str, str]) -> dict[str, object]:
    """A life on one backend, and what of the release it used."""
    os.environ |= {"TINKER_BASE_URL": given["url"], "TINKER_API_KEY": given["key"]}
    world = World(given["backend"], given["folder"], given["flags_url"])
    cli_features.RUN.clear()
    features = life(world)
    if hasattr(tinker.types, "SessionHeartbeatRequest"):
        outlast_heartbeat(given["url"])
    if hasattr(world.service.client, "close"):
        world.service.close("success", detail="the end").result()
    return {
        "features": features,
        "called": {method: sorted(names) for method, names in sorted(world.calls.items())},
        "run": sorted(cli_features.RUN),
    }


def lived_apart(given: dict[str, str]) -> Any:
    """`lived` in a process of its own, since clients without a session are kept by their key alone.

    It is forked, so that what takes seconds to import is imported once.
    """
    ours, theirs = Pipe(duplex=False)
    process = get_context("fork").Process(target=tell, args=(theirs, given))
    process.start()
    theirs.close()
    told = ours.recv()
    process.join()
    return told


def tell(out: Connection, given: dict[str, str]) -> None:
    out.send(lived(given))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # heartbeats of old releases would keep the process waiting


def main(*given: str) -> dict[str, object]:
    worlds = [json.loads(text) for text in given]
    return {
        "version": tinker.__version__,
        "offered": {method: sorted(offers.signature_of(method)) for method in sorted(offers.offered())},
        "commands": sorted(offers.ALL_COMMANDS),
        "losses": list(offers.losses()),
        "backends": {world["backend"]: lived_apart(world) for world in worlds},
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
