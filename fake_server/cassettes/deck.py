"""`Deck`: what plays or records in a tenant."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from fake_server.cassettes.recorder import Recorder
from fake_server.cassettes.replay import Replay
from fake_server.service import Service
from fake_server.traffic import Interceptor, StrayInterceptor

if TYPE_CHECKING:
    from fake_server.cassettes.hybrid import Hybrid
    from fake_server.cassettes.routes import Side
    from fake_server.cassettes.upstream import Upstream

__all__ = ["Deck", "Mode"]

Mode = Literal["once", "replay", "record"]
"""`once` replays a file that is there and else records it."""


class Deck:
    """The cassette of a tenant: one at a time, playing or recording."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._undo: list[Callable[[], None]] = []
        self.recorder: Recorder | None = None
        self.playing: Replay | None = None

    def replay(self, path: str | Path, *, strict: bool = False) -> Replay:
        """Answer this tenant's requests from a cassette.

        Raises:
            FileNotFoundError, CassetteError: if it cannot be read.
            RuntimeError: if one plays or records by now.
        """
        self._check_empty()
        replay = Replay(self._service, Path(path), strict=strict)
        self._attach(replay, replay.serve_stray)
        self.playing = replay
        return replay

    def record(self, path: str | Path, *, upstream: str | None = None, times: bool = False) -> Recorder:
        """Write down what this tenant is asked and answers.

        Args:
            path: the file; it is written when a session ends, and when the deck closes.
            upstream: URL of the server that answers; this tenant itself where absent. Needs httpx.
            times: whether times in answers are written; else only whether they are past or to come.

        Raises:
            ValueError, ModuleNotFoundError: for a path or an upstream that cannot be.
            RuntimeError: if one plays or records by now.
        """
        self._check_empty()
        file = Path(path)
        if not file.name or "\0" in file.name or file.is_dir():
            raise ValueError(f"cassette: expected the path of a file, got {str(path)!r}")
        recorder = Recorder(self._service, file, times=times)
        other = None if upstream is None else self._upstream(upstream)
        self._attach(recorder, recorder.serve_stray)
        if other is not None:
            self._attach(other, other.serve_stray)
            self._undo.append(other.close)
        self.recorder = recorder
        return recorder

    def route(self, upstream: str, *routes: str, otherwise: "Side" = "local") -> "Hybrid":
        """Let another server answer some operations; a recorder that is begun before keeps both sides'.

        Args:
            upstream: its URL. Needs httpx.
            routes: `asample=upstream`; the first that fits an operation counts.
            otherwise: who answers the rest.

        Raises:
            ValueError: for routes that cannot be kept apart, with the reason.
            ModuleNotFoundError: if httpx is not installed.
        """
        from fake_server.cassettes.hybrid import Hybrid
        from fake_server.cassettes.routes import Route

        parsed = [Route.parse(route) for route in routes]
        hybrid = Hybrid(self._service, self._upstream(upstream), parsed, otherwise)
        self._attach(hybrid, hybrid.serve_stray)
        self._undo.append(hybrid.close)
        return hybrid

    def use(
        self,
        path: str | Path,
        mode: Mode = "once",
        *,
        upstream: str | None = None,
        strict: bool = False,
    ) -> Replay | Recorder:
        """Replay a cassette or record it, as the mode says.

        Raises:
            ValueError: for an unknown mode.
        """
        if mode not in get_args(Mode):
            raise ValueError(f"mode: expected one of {', '.join(get_args(Mode))}, got {mode!r}")
        if mode == "replay" or (mode == "once" and Path(path).exists()):
            return self.replay(path, strict=strict)
        return self.record(path, upstream=upstream)

    def _check_empty(self) -> None:
        if self.recorder is not None or self.playing is not None:
            inside = self.recorder or self.playing
            assert inside is not None
            raise RuntimeError(
                f"cassette: expected none in this tenant, got {str(inside.path)!r}; close it before the next"
            )

    def _upstream(self, url: str) -> "Upstream":
        from fake_server.cassettes.upstream import Upstream

        return Upstream(self._service, url)

    def _attach(self, interceptor: Interceptor, stray: StrayInterceptor) -> None:
        traffic = self._service.traffic
        traffic.interceptors.append(interceptor)
        traffic.strays.append(stray)
        self._undo.append(lambda: traffic.interceptors.remove(interceptor))
        self._undo.append(lambda: traffic.strays.remove(stray))

    def close(self) -> None:
        """Stop; a recording is written. The tenant answers by itself again."""
        while self._undo:
            self._undo.pop()()
        recorder, self.recorder, self.playing = self.recorder, None, None
        if recorder is not None:
            recorder.close()
