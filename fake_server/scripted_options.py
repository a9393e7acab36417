"""Which options the scripted backend honours: the seed and the base models. The others it refuses by name."""

from contract import BackendOptions

__all__ = ["check_options"]

HONOURED: dict[str, tuple[str, tuple[object, ...]]] = {
    "models": ("--model", ((),)),
    "models_root": ("--models-root", (None,)),
    "device": ("--device", ("auto", "cpu")),
    "dtype": ("--dtype", ("float32",)),
    "mode": ("--mode", ("auto",)),
    "compile": ("--compile", (False,)),
    "threads": ("--threads", (None,)),
    "memory_bytes": ("--memory", (None,)),
    "raw_logprobs": ("--raw-logprobs", (False,)),
    "strict_losses": ("--strict-losses", (False,)),
}
"""Field, the command's option for it, and the values that change nothing here."""


def check_options(options: BackendOptions) -> None:
    """Refuse what would be ignored.

    Raises:
        ValueError: naming the option.
    """
    for field, (option, honoured) in HONOURED.items():
        value = getattr(options, field)
        if value not in honoured:
            wanted = "none" if honoured[0] in (None, ()) else " or ".join(map(repr, honoured))
            raise ValueError(
                f"{option}: expected {wanted}, got {value!r}; the scripted backend has no network to run: "
                "leave the option out, or use --backend torch"
            )
