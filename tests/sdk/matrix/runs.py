"""Runs of one release against every backend: servers, a process, and what it left out."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from contract import OPERATIONS, BackendOptions, ClientConfigResponse, ClientDynamicConfigResponse
from contract.versions import SdkVersion
from fake_server.fake import Fake, FakeServer
from fake_server.running import find_backend
from fake_server.settings import Settings
from fake_server.verdict import grave
from tests.sdk.matrix import known
from tests.sdk.matrix.releases import ROOT, environment_of

__all__ = ["BACKENDS", "Outcome", "Run", "Servers", "servers"]

BACKENDS = ("scripted", "torch")
FOLDERS = {"scripted": str(ROOT / "fake_server" / "pico"), "torch": str(ROOT / "reference_engine" / "pico")}
"""Of the tokenizer, with the weights where a backend reads them."""
OPTIONS = {
    "scripted": BackendOptions(base_models=("tinkerproof/pico", FOLDERS["scripted"])),
    "torch": BackendOptions(models=((FOLDERS["torch"], FOLDERS["torch"]),)),
}
PLAIN = Settings(client_config=ClientConfigResponse(custom_loss_server_side=True))
FLAGS = Settings(
    client_config=ClientConfigResponse(
        pjwt_auth_enabled=True,
        proto_compress_fwdbwd=True,
        proto_write_fwdbwd=True,
        fwd_via_fwdbwd=True,
        fwdbwd_max_chunk_len=2,
        create_model_via_load_weights=True,
        sample_use_retrieve_futures=True,
        sample_join_sampling_session=True,
    ),
    dynamic_config=ClientDynamicConfigResponse(sample_cancel_enabled=True),
)
"""Each is read by the releases that know it."""
MINUTES = 30
"""For one release; under a minute on an idle machine."""

Outcome = Mapping[str, str]
"""`state`: `ok`, `refused` (the backend does not do it, and says so), `broken` (the release cannot do it with
any server) or `failed`; `text` says why."""
Servers = Mapping[str, FakeServer]


@contextmanager
def servers() -> Iterator[Servers]:
    """One for each backend."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(FakeServer(find_backend(name), OPTIONS[name])) for name in BACKENDS}


@dataclass
class Watched:
    """Two tenants of a backend, and the operations that were asked for."""

    backend: str
    plain: Fake
    flags: Fake
    seen: set[str] = field(default_factory=set)

    @classmethod
    def on(cls, server: FakeServer, backend: str, version: str) -> "Watched":
        tenants = (
            Fake(server, f"{kind}-{version}", settings=s) for kind, s in (("plain", PLAIN), ("flags", FLAGS))
        )
        watched = cls(backend, *tenants)
        for fake in (watched.plain, watched.flags):
            fake.service.traffic.observers.append(lambda exchange: watched.seen.add(exchange.operation))
        return watched

    def given(self) -> str:
        """The argument of the process."""
        return json.dumps(
            {
                "backend": self.backend,
                "folder": FOLDERS[self.backend],
                "url": self.plain.url,
                "key": f"tml-{self.backend}",
                "flags_url": self.flags.url,
            }
        )

    def close(self) -> None:
        self.plain.close()
        self.flags.close()


@dataclass
class Run:
    """One release, run once on every backend."""

    version: str
    errors: str = ""
    """The error stream of the process, with the time of each feature."""

    def outcomes(self, backends: Servers) -> dict[str, dict[str, Outcome]]:
        """The outcome of each feature that the release has, by backend."""
        watched = [Watched.on(server, name, self.version) for name, server in backends.items()]
        told = self._lived(watched)
        outcomes = {}
        for each in watched:
            own = told["backends"][each.backend]
            features = {key: judged(key, found, self.version) for key, found in own["features"].items()}
            outcomes[each.backend] = features | self._whole(told, own, each)
            each.close()
        return outcomes

    def _lived(self, watched: list[Watched]) -> Any:
        given = [each.given() for each in watched]
        local = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        tags = {"TINKER_PROJECT_ID": "project-1", "TINKER_TAGS": "matrix", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.sdk.matrix.life", *given],
            env=environment_of(self.version) | local | tags,
            capture_output=True,
            text=True,
            timeout=MINUTES * 60,
        )
        self.errors = done.stderr
        if done.returncode:
            raise AssertionError(f"{self.version}: exit status {done.returncode}\n{done.stderr[-4000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def _whole(self, told: Any, own: Any, watched: Watched) -> dict[str, Outcome]:
        """Whether all that the release has was used, and whether it broke a rule of clients on the way."""
        found = {
            "whole: every method and parameter": unused(
                told["offered"], own["called"], {*known.EXCUSED_PARAMETERS, *known.unreached(self.version)}
            ),
            "whole: every command": [
                name for name in told["commands"] if name not in {*own["run"], *known.EXCUSED_COMMANDS}
            ],
            "whole: every loss": [
                name
                for name in told["losses"]
                if f"losses: {name}" not in own["features"] and name not in TRAINED
            ],
            "whole: every endpoint": unasked(self.version, watched.seen),
            "whole: no rule broken": [
                f"{finding.rule.id}: {finding.detail}"
                for fake in (watched.plain, watched.flags)
                for finding in grave(fake.verdict.findings)
            ],
        }
        return {
            key: {"state": "failed", "text": "; ".join(left)} if left else {"state": "ok"}
            for key, left in found.items()
        }


TRAINED = ("cross_entropy", "custom")
"""Losses with features of other names."""


def judged(feature: str, found: Outcome, version: str) -> Outcome:
    """The outcome in the light of what is known; what is said to be broken and works has failed."""
    reason = known.broken(feature, version)
    if reason is None:
        return found
    if found["state"] == "ok":
        return {"state": "failed", "text": f"it works; take it out of the list of what is broken ({reason})"}
    return {"state": "broken", "text": reason}


def unused(offered: Mapping[str, list[str]], called: Mapping[str, list[str]], excused: set[str]) -> list[str]:
    """Public methods, and parameters of them, that the life did not use, without an excuse."""
    left = [method for method in offered if method not in {*called, *known.EXCUSED_METHODS}]
    return left + [
        f"{method}({name})"
        for method, names in offered.items()
        for name in names
        if method in called and name not in {*called[method], *excused}
    ]


def unasked(version: str, seen: set[str]) -> list[str]:
    """Operations that a release has and that nothing asked for, without an excuse."""
    number = SdkVersion.parse(version)
    return [
        row.name
        for row in OPERATIONS
        if SdkVersion.parse(row.since) <= number
        and (row.until is None or number <= SdkVersion.parse(row.until))
        and row.name not in seen
        and row.name not in known.EXCUSED_OPERATIONS
    ]
