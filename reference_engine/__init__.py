"""The reference engine: a backend that really trains LoRA adapters and really samples, on CPU or GPU."""
