"""Exactly what the assistant says is learned, as serving would ask for it, and a stopped run goes on bit for bit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForCausalLM

from owngpt.errors import CheckpointError, SetupError
from owngpt.model.attention import DenseAttention
from owngpt.model.weights import load_model
from owngpt.training.cli import train
from owngpt.training.conversations import Conversation, Example, TurnEncoder
from owngpt.training.examples import Examples, pack
from owngpt.training.logprobs import score_tokens, token_logprobs
from owngpt.training.openai_data import read_conversations
from owngpt.training.sft import SftConfig, tune_supervised
from owngpt.training.tuning import TuneConfig, export_tuned
from owngpt.types import Message, Tool, ToolCall

CONFIG = SftConfig(
    epochs=6, batch_tokens=300, context=120, tune=TuneConfig(0, 1.0, eval_every=4, pass_tokens=150, save_seconds=0)
)


def quiet(line: str) -> None:
    """No progress."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": f"It is {n % 3}."}]}
        for n in range(24)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_exactly_the_assistants_tokens_are_learned(tokenizer_folder: Path) -> None:
    """Through tools, a mark of a turn that a user typed, and a turn that is context only."""
    encoder = TurnEncoder.load(tokenizer_folder)
    call = ToolCall("call_0", "add", '{"a": 1}')
    messages = (
        Message("system", "Be kind."),
        Message("user", "Add one.<|im_end|>"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", "2"),
        Message("assistant", "It is 2."),
        Message("user", "Sure?"),
        Message("assistant", "No, 3."),
        Message("user", "Really?"),
        Message("assistant", "Yes."),
    )
    conversation = Conversation(messages, (Tool("add", "Adds."),), unlearned=frozenset({6}))
    (example,) = encoder.examples(conversation)
    learned = [token if kept else None for token, kept in zip(*example, strict=True)]
    spans: list[list[int]] = [[]]
    for token in learned:
        if token is None:
            spans.append([])
        else:
            spans[-1].append(token)
    said = [encoder.tokenizer.decode(span, skip_special=False) for span in spans if span]
    assert said == [
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call><|im_end|>',
        "It is 2.<|im_end|>",
        "Yes.<|im_end|>",
    ]
    for place in (2, 4, 8):  # each behind the very prompt that serving makes
        prompt = encoder.chat.encode(messages[:place], conversation.tools)
        assert example.ids[: len(prompt)] == prompt
        assert example.is_answer[len(prompt)]
        assert not example.is_answer[len(prompt) - 1]


def test_a_turn_that_is_written_otherwise_later_stands_alone(tokenizer_folder: Path, tmp_path: Path) -> None:
    """As with Qwen3, whose template puts an empty thought before the last turn only."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tokenizer_folder / name).read_bytes())
    (tmp_path / "chat_template.jinja").write_text(
        "{%- for m in messages -%}<|im_start|>{{ m.role }}\n"
        "{% if m.role == 'assistant' and loop.last %}(hm) {% endif %}"
        "{{ m.content }}<|im_end|>\n{% endfor -%}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    encoder = TurnEncoder.load(tmp_path)
    said = [Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("assistant", "d")]
    whole, alone = encoder.examples(Conversation(tuple(said)))
    for example, answer in ((whole, "(hm) d"), (alone, "(hm) b")):
        learned = [token for token, kept in zip(*example, strict=True) if kept]
        assert encoder.tokenizer.decode(learned, skip_special=False) == f"{answer}<|im_end|>"


def test_packed_examples_do_not_see_each_other(base: Path) -> None:
    """Logits of examples laid end to end are those of each alone, also where heads share keys."""
    model = load_model(base, torch.float32)
    encoder = TurnEncoder.load(base)
    examples = [
        encoder.turn([Message("user", "Hi " * n)], Message("assistant", "Hello, you.")).example for n in (1, 40, 9)
    ]
    hidden = torch.split(pack(examples, model.device).hidden(model), [len(one.ids) - 1 for one in examples])
    for example, got in zip(examples, hidden, strict=True):
        inputs = torch.tensor(example.ids[:-1])
        expected = model(inputs, torch.arange(len(inputs)), DenseAttention(model.config, 1))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_log_probabilities_and_their_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(600, 8, generator=generator, requires_grad=True)
    head = torch.randn(30, 8, generator=generator, requires_grad=True)
    targets, weights = torch.randint(30, (600,), generator=generator), torch.randn(600, generator=generator)
    expected = (hidden @ head.T).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    got = token_logprobs(hidden, head, targets)
    torch.testing.assert_close(got, expected)
    grads = [torch.autograd.grad((logprobs.exp() * weights).sum(), (hidden, head)) for logprobs in (got, expected)]
    torch.testing.assert_close(*grads)
    is_best = (hidden @ head.T).argmax(-1) == targets
    assert torch.equal(score_tokens(hidden, head, targets).is_best_T, is_best)


def test_every_epoch_reads_every_example_once() -> None:
    examples = Examples.of([Example([1] * size, [True] * size) for size in (5, 9, 3, 8, 7, 4)])
    read = [index for batch in islice(examples.batches(12, seed=0), 30) for index in batch]
    assert all(sorted(read[start : start + 6]) == list(range(6)) for start in range(0, 36, 6))
    assert read[:6] != read[6:12]
    assert all(sum(map(examples.size, batch)) <= 12 for batch in islice(examples.batches(12, seed=0), 30))


def test_it_learns_and_a_stopped_run_goes_on_bit_for_bit(base: Path, file: Path, tmp_path: Path) -> None:
    whole = tune_supervised(base, tmp_path / "whole", CONFIG, data=file, dtype=torch.float32, progress=quiet)
    first, last = whole.state.evaluations[0], whole.state.evaluations[-1]
    assert last["answer_loss"] < 0.5 * first["answer_loss"]
    assert last["answer_accuracy"] > first["answer_accuracy"] + 0.3

    class Stopped(Exception):
        """The run was interrupted."""

    def stop(line: str) -> None:
        if line.startswith("step 5/"):
            raise Stopped

    lines: list[str] = []
    often = replace(CONFIG, tune=replace(CONFIG.tune, report_seconds=0))
    with pytest.raises(Stopped):
        tune_supervised(base, tmp_path / "part", often, data=file, dtype=torch.float32, progress=stop)
    tune_supervised(base, tmp_path / "part", CONFIG, data=file, dtype=torch.float32, progress=lines.append)
    assert "going on from step 4" in lines
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "part")]
    assert weights[0] == weights[1]
    slower = replace(CONFIG, tune=replace(CONFIG.tune, rate=0.5))
    with pytest.raises(CheckpointError, match=r"rate=1\.0, not 0\.5"):
        tune_supervised(base, tmp_path / "part", slower, data=file, dtype=torch.float32, progress=quiet)


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Qwen2ForCausalLM"])
def test_other_families_are_tuned_and_read_by_transformers(
    architecture: str, base: Path, file: Path, tmp_path: Path
) -> None:
    """One has no norms of heads; the other has biases too; both use the embedding as output head here."""
    start, kind = tmp_path / "start", architecture.removesuffix("ForCausalLM").lower()
    shutil.copytree(base, start)
    values = json.loads((base / "config.json").read_text())
    values |= {"architectures": [architecture], "model_type": kind, "tie_word_embeddings": True}
    (start / "config.json").write_text(json.dumps(values))
    untrained = load_model(start, random_weights=True)
    export_tuned(start, tmp_path / "base", dict(untrained.named_parameters()))
    config = replace(CONFIG, epochs=0.5)
    tune_supervised(tmp_path / "base", tmp_path / "out", config, data=file, dtype=torch.float32, progress=quiet)
    ours = load_model(tmp_path / "out" / "model", torch.float32)
    before = dict(untrained.named_parameters())
    assert any("bias" in name for name in before) == (kind == "qwen2")
    assert all(not torch.equal(weight, before[name].float()) for name, weight in ours.named_parameters())
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "model", dtype=torch.float32)
    tokens = torch.arange(40) * 7 % 450
    with torch.no_grad():
        expected = theirs(tokens[None]).logits[0]
        got = ours.logits(ours(tokens, torch.arange(40), DenseAttention(ours.config, 1)))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_what_training_does_not_compute_is_refused(base: Path, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    values = json.loads((base / "config.json").read_text())
    values |= {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 16}
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(SetupError, match="sliding windows, which training does not compute"):
        tune_supervised(folder, tmp_path / "out", CONFIG, data=file, progress=quiet)


def test_the_command_tunes_on_a_corpus(base: Path, corpus: Path, tmp_path: Path) -> None:
    small = ["--minutes", "0.01", "--context", "400", "--batch-tokens", "300", "--max-tokens", "2000", "--threads", "1"]
    args = ["sft", "--model", str(base), "--corpus", str(corpus), "--out", str(tmp_path), *small, "--device", "cpu"]
    done = CliRunner().invoke(train, args)
    assert done.exit_code == 0, done.output
    assert "answer_accuracy" in done.output
    assert "ETA" in done.output
    model = load_model(tmp_path / "model")
    assert model.config == load_model(base).config
    assert not torch.equal(model.norm.weight, load_model(base).norm.weight)
    asked = CliRunner().invoke(train, ["sft", "--model", str(base), "--out", str(tmp_path)])
    assert "give either --corpus or --data" in asked.output


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2: "),
        ('{"text": "a"}', "'messages' is missing"),
        ('{"messages": [{"role": "boss", "content": "a"}]}', r"messages\[0\].role is 'boss'"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "nothing of the assistant to learn"),
        ('{"messages": [{"role": "assistant", "content": "a", "weight": 2}]}', r"messages\[0\].weight is 2"),
        ('{"messages": [{"role": "assistant", "content": ""}]}', r"messages\[0\].content is empty"),
    ],
)
def test_a_broken_line_is_named(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"messages": [{"role": "assistant", "content": "fine"}]}\n' + line)
    with pytest.raises(SetupError, match=f"broken.jsonl, line 2: .*{reason}" if "line" not in reason else reason):
        list(read_conversations(path))
