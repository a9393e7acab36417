"""The tokens of `tinkerproof/pico` that are not bytes."""

__all__ = ["CLOSE", "END", "OPEN", "PAD"]

END, OPEN, CLOSE, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
