"""OpenVINO: a Hugging Face folder, exported once to int8 by optimum-intel as its users do, run through its own runtime.

python -m benchmarks.peers.openvino FOLDER EXPORTED THREADS [LOGITS] [HINT]

The hints ask for one answer as soon as possible (LATENCY), computed in bf16 or as HINT says. LOGITS is `last` or `all`:
optimum-intel's export computes the logits of every position of a prompt; OpenVINO GenAI cuts the hidden states to the
last position before the head, which is done here in the same way unless it is `all`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.turns import serve, timed

MODEL = "openvino_model.xml"
FAR = 2**31 - 1


class OpenVINO:
    """See `turns.Engine`. Each number of sequences has a request, and so a cache, of its own."""

    def __init__(self, folder: str, exported: str, threads: str, logits: str = "last", hint: str = "bf16") -> None:
        if not (Path(exported) / MODEL).exists():
            export(Path(folder), Path(exported))
        openvino: Any = importlib.import_module("openvino")
        core = openvino.Core()
        model = core.read_model(Path(exported) / MODEL)
        if logits == "last":
            keep_last_position(model)
        options = {
            "INFERENCE_NUM_THREADS": int(threads),
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled = core.compile_model(model, "CPU", options)
        self._names = {tensor.any_name for tensor in self._compiled.inputs}
        self._requests: dict[int, Any] = {}
        self._lengths: dict[int, int] = {}  # tokens that each request's cache holds
        self._chance = np.random.default_rng(0)
        self.about = f"OpenVINO {openvino.__version__}, {threads} threads, hints {hint} and LATENCY, {logits} logits"

    def prefill(self, tokens: int) -> list[float]:
        request = self._request(0)
        request.reset_state()
        return [timed(self._run, 0, 1, tokens, 0)]

    def decode(self, streams: int, context: int, steps: int) -> list[float]:
        """From `context` tokens, or where the last turn ended: it cannot cut its cache, and reads anew after two."""
        if not 0 < self._lengths.get(streams, 0) <= context + steps + 1:
            self._request(streams).reset_state()
            self._run(streams, streams, context, 0)
            self._lengths[streams] = context
        start = self._lengths[streams]
        self._lengths[streams] += steps + 1
        return [timed(self._run, streams, streams, 1, start + i) for i in range(steps + 1)][1:]

    def _request(self, key: int) -> Any:
        if key not in self._requests:
            self._requests[key] = self._compiled.create_infer_request()
        return self._requests[key]

    def _run(self, key: int, sequences: int, new: int, past: int) -> None:
        """`new` tokens of each sequence, after `past` cached ones."""
        feed = {
            "input_ids": self._chance.integers(2, 10_000, (sequences, new)),
            "attention_mask": np.ones((sequences, past + new), dtype=np.int64),
            "position_ids": np.tile(np.arange(past, past + new), (sequences, 1)),
            "beam_idx": np.arange(sequences, dtype=np.int32),
        }
        self._request(key).infer({name: value for name, value in feed.items() if name in self._names})


def export(folder: Path, exported: Path) -> None:
    """Symmetric int8 weights, one scale per row, as `optimum-cli export openvino --weight-format int8 --sym` writes."""
    optimum: Any = importlib.import_module("optimum.intel")
    config = optimum.OVWeightQuantizationConfig(bits=8, sym=True)
    model = optimum.OVModelForCausalLM.from_pretrained(folder, export=True, quantization_config=config, compile=False)
    model.save_pretrained(exported)


def keep_last_position(model: Any) -> None:
    """Cut what the head reads to the last position of each sequence."""
    opset: Any = importlib.import_module("openvino.opset13")
    head = model.output("logits").get_node()
    while head.get_type_name() != "MatMul":
        head = head.input_value(0).get_node()
    last = opset.slice(head.input_value(0), *(np.array([i]) for i in (-1, FAR, 1, 1)))
    head.input(0).replace_source_output(last.output(0))
    model.validate_nodes_and_infer_types()


if __name__ == "__main__":
    serve(lambda: OpenVINO(*sys.argv[1:]))
