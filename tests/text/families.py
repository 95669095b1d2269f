"""Folders of small checkpoints' text side, one per family, with templates in the published layouts."""

from pathlib import Path

from owngpt.text.chat import ChatRenderer
from owngpt.text.tokenizer import Tokenizer
from tests.fakes.text import QWEN_MARKS, byte_tokenizer, sentencepiece_tokenizer

TEMPLATES = Path(__file__).parent / "templates"
LLAMA3_SPECIAL = (
    *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>", "<|eom_id|>", "<|eot_id|>"),
)
MISTRAL_SPECIAL = (
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
)
HARMONY_SPECIAL = (
    *("<|startoftext|>", "<|endoftext|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>", "<|message|>"),
    *("<|call|>", "<|return|>"),
)
FAMILIES = ("qwen2.5", "qwen3", "llama3.1", "mistral", "gemma2", "smollm3", "gpt-oss")


def make(name: str, folder: Path) -> tuple[Tokenizer, ChatRenderer]:
    """The tokenizer and the renderer of a family, written to `folder` and read back."""
    template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    if name == "llama3.1":
        config = {"bos_token": LLAMA3_SPECIAL[0]}
        tokenizer = byte_tokenizer(
            folder, special=LLAMA3_SPECIAL, marks=(), merges=_MERGES, chat_template=template, config=config
        )
    elif name == "gpt-oss":
        tokenizer = byte_tokenizer(folder, special=HARMONY_SPECIAL, marks=(), merges=_MERGES, chat_template=template)
    elif name == "mistral":
        tokenizer = sentencepiece_tokenizer(folder, special=MISTRAL_SPECIAL, is_gemma=True, chat_template=template)
    elif name == "gemma2":
        special = ("<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
        tokenizer = sentencepiece_tokenizer(folder, special=special, is_gemma=True, chat_template=template)
    else:
        marks = (*QWEN_MARKS, "<tool_response>", "</tool_response>")
        tokenizer = byte_tokenizer(folder, marks=marks, merges=_MERGES, chat_template=template)
    return tokenizer, ChatRenderer.load(folder, tokenizer)


_MERGES = (("Ċ", "Ċ"), ("h", "e"), ("Ġ", "t"), ("Ġt", "he"), ("Ġ", "Ġ"), ("{", '"'), ("|", ">"))
