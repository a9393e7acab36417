"""Make the tokenizer of `tinkerproof/pico`, a Hugging Face folder: one token per byte, and four marks.

Run: `python -m tools.make_pico_tokenizer`. The output is committed; a test makes it again and compares.
"""

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from .pico_text.marks import CLOSE, END, OPEN, PAD

ROOT = Path(__file__).parent.parent
FOLDERS = (ROOT / "fake_server" / "pico", ROOT / "reference_engine" / "pico")
"""Two copies: the scripted backend and the engine may not import each other."""
CHAT = (
    f"{{% for message in messages %}}{OPEN}{{{{ message.role }}}}\n{{{{ message.content }}}}{CLOSE}\n"
    f"{{% endfor %}}{{% if add_generation_prompt %}}{OPEN}assistant\n{{% endif %}}"
)


def byte_characters() -> list[str]:
    """The printable character that stands for each byte, in the byte-level scheme of GPT-2."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(0x100, 0x200))
    return [chr(byte) if byte in shown else chr(next(spare)) for byte in range(256)]


def make(folder: Path) -> None:
    """Write the tokenizer to `folder`."""
    vocabulary = {character: byte for byte, character in enumerate(byte_characters())}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in (END, OPEN, CLOSE, PAD)])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )
    wrapped.chat_template = CHAT
    wrapped.save_pretrained(folder)


if __name__ == "__main__":
    for folder in FOLDERS:
        make(folder)
