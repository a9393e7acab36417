"""`Engine`: the base models of a server, and the thread that samples from them. All tenants share it."""

import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from contract import BackendOptions, BaseModelInfo, RequestFailure
from reference_engine.allocation import keep_freed_memory
from reference_engine.catalog import Catalog, CatalogEntry
from reference_engine.config import ModelConfig
from reference_engine.content_hash import content_hash
from reference_engine.exactness import row_quantum
from reference_engine.generate import Generator
from reference_engine.linear import Rows
from reference_engine.loading import load_tokenizer, load_weights, read_config
from reference_engine.model import Transformer
from reference_engine.pieces import Pieces, compiled_pieces
from reference_engine.sequences import Ask
from reference_engine.shelf import Shelf, memory_limit
from reference_engine.tokenizer import Tokenizer

__all__ = ["BaseModel", "Engine"]

log = logging.getLogger("tinkerproof.engine")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class BaseModel:
    """A model on disk; its weights are read when they are first needed."""

    path: Path
    config: ModelConfig
    device: torch.device
    dtype: torch.dtype
    rows: Rows
    pieces: Pieces

    @cached_property
    def transformer(self) -> Transformer:
        """The weights, ready to run."""
        weights = load_weights(self.path, self.config, self.dtype)
        if self.device.type != "cpu":
            weights = {name: tensor.to(self.device) for name, tensor in weights.items()}
        return Transformer(self.config, weights, self.rows, self.pieces)

    @cached_property
    def generator(self) -> Generator:
        """What samples from it."""
        return Generator(self.transformer)

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """Its tokenizer, if it has one."""
        return load_tokenizer(self.path)

    @cached_property
    def has_tokenizer_file(self) -> bool:
        """Whether a client can read a tokenizer from its folder."""
        return (self.path / "tokenizer.json").is_file()

    @property
    def loaded(self) -> bool:
        """Whether its weights are in memory."""
        return "generator" in self.__dict__

    @cached_property
    def content_hash(self) -> str:
        """Tells its weights from others'."""
        return content_hash(self.path)


class Engine:
    """Base models by name, and their sampling thread.

    Raises:
        LookupError, ValueError, OSError: for options that cannot be honoured.
    """

    def __init__(self, options: BackendOptions) -> None:
        self._catalog = Catalog(options.models, options.models_root, options.base_models)
        self.device = _device(options.device)
        self.exact = options.mode == "exact" or (options.mode == "auto" and self.device.type == "cpu")
        if self.exact and self.device.type != "cpu":
            raise ValueError("--mode exact: expected it with --device cpu, got cuda; use --mode fast there")
        pieces = _pieces(options, self.device)
        threads = options.threads or max(1, (os.cpu_count() or 2) - 1)
        torch.set_num_threads(threads)
        keep_freed_memory()
        self._dtype = DTYPES[options.dtype]
        self._rows = Rows(exact=self.exact, quantum=row_quantum() if self.exact else 1)
        self._models: dict[Path, BaseModel] = {}
        self.shelf = Shelf(options.memory_bytes or memory_limit(self.device))
        self.training = threading.Lock()
        """Held while a batch is trained on: one at a time, beside sampling."""
        self._loading = threading.Lock()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        for path in {entry.path: None for entry in self._catalog.entries}:
            config = read_config(path)
            self._models[path] = BaseModel(path, config, self.device, self._dtype, self._rows, pieces)
        self.model(self._catalog.entries[0].name)

    def infos(self) -> list[BaseModelInfo]:
        """All base models, in the order to list them."""
        return [self._info(entry) for entry in self._catalog.entries]

    def _info(self, entry: CatalogEntry) -> BaseModelInfo:
        model = self._models[entry.path]
        context = entry.context_length or model.config.max_context_length
        return BaseModelInfo(
            name=entry.name,
            vocab_size=model.config.vocab_size,
            max_context_length=min(context, model.config.max_context_length),
            arch=model.config.arch,
            tokenizer_id=str(entry.path) if model.has_tokenizer_file else entry.name,
            end_of_text_ids=model.config.end_of_text_ids,
        )

    def info(self, name: str) -> BaseModelInfo:
        """The base model of that name, a `:peft:LENGTH` suffix included.

        Raises:
            RequestFailure: if there is none.
        """
        try:
            return replace(self._info(self._catalog.find(name)), name=name)
        except (LookupError, ValueError) as error:
            raise RequestFailure(str(error.args[0])) from None

    def model(self, name: str) -> BaseModel:
        """The base model of that name, its weights in memory.

        Raises:
            RequestFailure: if there is none, or its weights cannot be read.
        """
        try:
            model = self._models[self._catalog.find(name).path]
        except (LookupError, ValueError) as error:
            raise RequestFailure(str(error.args[0])) from None
        if model.loaded:
            return model
        with self._loading:
            try:
                _ = model.generator
            except (OSError, ValueError) as error:
                raise RequestFailure(f"base_model {name!r}: its weights cannot be read: {error}") from None
        return model

    def submit(self, model: BaseModel, ask: Ask) -> None:
        """Sample; the request's future ends with the answer."""
        model.generator.submit(ask)
        with self._wake:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tinkerproof-sampler", daemon=True)
                self._thread.start()
            self._wake.notify()

    def wake(self) -> None:
        """Look at what was cancelled."""
        with self._wake:
            self._wake.notify()

    def _busy(self) -> list[Generator]:
        loaded = (model.generator for model in self._models.values() if model.loaded)
        return [generator for generator in loaded if generator.busy]

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._busy())
                if self._stopping:
                    return
            self._round(self._busy())

    def _round(self, generators: Iterable[Generator]) -> None:
        for generator in generators:
            try:
                generator.round()
            except Exception as error:
                log.exception("a sampling round failed")
                generator.fail(error)

    def close(self) -> None:
        """End the thread; it starts again with the next request."""
        with self._wake:
            thread, self._thread = self._thread, None
            self._stopping = True
            self._wake.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._stopping = False


def _device(name: str) -> torch.device:
    """The device of that name; a CUDA device with its number, so that it equals that of its tensors.

    Raises:
        ValueError: for `cuda` where there is none.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ValueError("--device cuda: expected a CUDA device, got none; leave the option out")
    return torch.device("cuda", torch.cuda.current_device())


def _pieces(options: BackendOptions, device: torch.device) -> Pieces:
    """The element-wise parts of a forward pass, compiled if that is asked.

    Raises:
        ValueError: if it is asked in exact mode or on the CPU, or there is no compiler.
    """
    if not options.compile:
        return Pieces()
    if options.mode == "exact":
        raise ValueError(
            "--compile: expected it with --mode fast, got --mode exact; compiled kernels round otherwise: "
            "leave one of them out"
        )
    if device.type != "cuda":
        raise ValueError(
            f"--compile: expected it with --device cuda, got {device.type}; leave it out: the CPU's numbers "
            "are the reference"
        )
    return compiled_pieces(device)
