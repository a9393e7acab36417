"""`DrawnAnswers`: each operation answers what its type allows, drawn by hypothesis; no world is behind it.

Needs the extra `fuzz` beside `respx`.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Any, TypeAlias

import httpx
from hypothesis import Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from contract import ClientConfigResponse, ForwardBackwardOutput, SampleResponse
from contract.codec import JSON, PROTOBUF, encode
from contract.operations import Deferred
from contract.strategies import RELEASES, Answer, answer_type, rare_answers
from fake_server.interception.answers import RequestIn

__all__ = ["FIXED", "DrawnAnswers"]

FIXED: Mapping[str, object] = {"client_config": ClientConfigResponse(use_pyqwest_transport=False)}
"""What is always the same: flags that lead a client elsewhere would leave nothing to answer."""
IN_PROTOBUF = (ForwardBackwardOutput, SampleResponse)
MOST_DRAWN = 10
"""Ours: answers of one type, after which the first comes again."""
Strategy: TypeAlias = Callable[[Any, str], SearchStrategy[Answer]]
"""From a type and a media type to answers, as those of `contract.strategies`."""
Draw: TypeAlias = Callable[[SearchStrategy[Answer]], Answer]


def plain_answers(type_: Any, media_type: str) -> SearchStrategy[Answer]:
    """Valid values as servers of the newest release write them."""
    return rare_answers(type_, media_type, releases=RELEASES[:1], is_newer=False)


class DrawnAnswers:
    """Answers of the type that each operation has; a future's result is of the operation that promised it.

    Nothing else hangs together: what is created is not listed, and numbers mean nothing. Results come in JSON
    or in protobuf, as the request accepts it.

    Args:
        seed_number: of the draws; the n-th request for an operation has the same answer each time. With 0 the
            first answer of each is the simplest.
        draw: `draw` of `hypothesis.strategies.data()`, in the place of a seed: answers are part of the test
            that draws them, and shrink with it. For clients that ask from the test's own thread.
        strategy: draws answers: by default valid ones of the newest release; of `contract.strategies`
            `rare_answers` draws those of servers of any age, `answers` broken and damaged ones, too.
        fixed: values by names of operations that are not drawn; in the place of `FIXED`.
    """

    def __init__(
        self,
        seed_number: int = 0,
        *,
        draw: Draw | None = None,
        strategy: Strategy = plain_answers,
        fixed: Mapping[str, object] = FIXED,
    ) -> None:
        self._seed, self._own_draw, self._strategy, self._fixed = seed_number, draw, strategy, fixed
        self._pools: dict[tuple[Any, str], list[Answer]] = {}
        self._asked: Counter[tuple[Any, str]] = Counter()
        self._promised: dict[str, Any] = {}
        """The type of each future's result, by its id."""
        self._results: dict[tuple[str, str], Answer] = {}
        """By id and media type."""
        self._lock = Lock()

    def __call__(self, request: RequestIn) -> httpx.Response:
        """An answer with status 200; 404 for what is no operation, and for futures that were not promised."""
        with self._lock:
            return self._answer(request)

    def _answer(self, request: RequestIn) -> httpx.Response:
        row = request.row
        if row is None:
            return _not_found(f"no operation {request.http.method} {request.path}")
        if row.name in self._fixed:
            return _response(encode(self._fixed[row.name], JSON), JSON)
        if row.name == "retrieve_future":
            return self._result(request.http)
        operation: Any = row
        drawn = self._drawn(answer_type(operation), JSON)
        body = self._promise(operation, drawn.body) if isinstance(row, Deferred) else drawn.body
        return _response(body, drawn.media_type)

    def _promise(self, row: Deferred[Any, Any], body: bytes) -> bytes:
        """The promise, where it is one, under an id that no other has."""
        promise = _object(body)
        if not isinstance(promise.get("request_id"), str):
            return body
        promise["request_id"] = f"{row.name}-{len(self._promised)}"
        self._promised[promise["request_id"]] = row.response
        return json.dumps(promise).encode()

    def _result(self, request: httpx.Request) -> httpx.Response:
        """The result of a future, the same each time that it is asked for."""
        request_id = str(_object(request.content).get("request_id"))
        if request_id not in self._promised:
            return _not_found(f"no future {request_id!r}; {len(self._promised)} were promised here")
        type_ = self._promised[request_id]
        accepts_protobuf = type_ in IN_PROTOBUF and PROTOBUF in request.headers.get("accept", "")
        media_type = PROTOBUF if accepts_protobuf else JSON
        if (request_id, media_type) not in self._results:
            self._results[request_id, media_type] = self._drawn(type_, media_type)
        return _response(self._results[request_id, media_type].body, media_type)

    def _drawn(self, type_: Any, media_type: str) -> Answer:
        key = (type_, media_type)
        if self._own_draw is not None:
            return self._own_draw(self._strategy(*key))
        if key not in self._pools:
            self._pools[key] = _pool(self._strategy(*key), self._seed)
        pool, number = self._pools[key], self._seed + self._asked[key]
        self._asked[key] += 1
        return pool[number % len(pool)]


def _pool(strategy: SearchStrategy[Answer], seed_number: int) -> list[Answer]:
    """Some answers, the simplest first; the same for the same seed.

    They are drawn on a thread of their own: hypothesis refuses a test within a test, and the client may be
    tested by one.
    """
    found: list[Answer] = []

    def draw_all() -> None:
        @seed(seed_number)
        @settings(max_examples=MOST_DRAWN, database=None, deadline=None, phases=[Phase.generate])
        @given(strategy)
        def draw(answer: Answer) -> None:
            found.append(answer)

        draw()

    thread = Thread(target=draw_all, name="tinkerproof-draws")
    thread.start()
    thread.join()
    return found


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty one where the bytes are none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _response(body: bytes, media_type: str) -> httpx.Response:
    return httpx.Response(200, content=body, headers={"content-type": media_type})


def _not_found(detail: str) -> httpx.Response:
    return httpx.Response(404, json={"detail": detail})
