"""llama.cpp through its C API, as its own server calls it: one batch per step, logits where a token is chosen.

LLAMA_CPP_LIB_PATH=DIR python -m benchmarks.peers.llama_cpp MODEL.gguf THREADS [FLASH_ATTENTION] [UNIFIED]

Chosen by measuring both ways, Q8_0: flash attention reads a prompt of 512 in 1.88 s instead of 2.10 and decodes 4
sequences in 61.9 ms instead of 67.8; buffers by sequence decode them in 61.9 ms instead of 64.4, and read as fast as
one buffer. A sequence is read once; before each turn what was decoded is cut off again.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import llama_cpp

from benchmarks.peers.turns import serve, timed

MAX_STREAMS, CONTEXT_OF_EACH = 16, 512
ON, OFF = "1", "0"
ATTENTION = {ON: "on", OFF: "off", "-1": "as it sees fit"}


class LlamaCpp:
    """See `turns.Engine`. Greedy choice from the logits is left out: it costs llama.cpp nothing here."""

    def __init__(self, file: str, threads: str, flash_attention: str = ON, unified: str = OFF) -> None:
        llama_cpp.llama_backend_init()
        model = llama_cpp.llama_model_load_from_file(file.encode(), llama_cpp.llama_model_default_params())
        assert model, f"{file} cannot be loaded"
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_seq_max = (MAX_STREAMS + 1) * 2 * CONTEXT_OF_EACH, MAX_STREAMS + 1
        params.n_batch, params.n_ubatch = 2048, 512
        params.n_threads = params.n_threads_batch = int(threads)
        params.flash_attn_type, params.kv_unified = int(flash_attention), unified == ON
        self._context = llama_cpp.llama_init_from_model(model, params)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(params.n_batch, 0, 1)
        self._num_read = [0] * MAX_STREAMS  # tokens that each sequence keeps
        self._chance = random.Random(0)
        self._num_tokens = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self.about = (
            f"llama.cpp (llama-cpp-python {llama_cpp.__version__}), {params.n_threads} threads,"
            f" flash attention {ATTENTION[flash_attention]}, "
            f"{'one KV buffer' if unified == ON else 'KV buffers by sequence'}, ubatch {params.n_ubatch}"
        )

    def prefill(self, tokens: int) -> list[float]:
        self._cut(MAX_STREAMS, 0)
        return [timed(self._run, self._prompt(MAX_STREAMS, tokens))]

    def decode(self, streams: int, context: int, steps: int) -> list[float]:
        for sequence in range(streams):
            self._cut(sequence, context)
            if self._num_read[sequence] != context:
                self._cut(sequence, 0)
                self._run(self._prompt(sequence, context))
                self._num_read[sequence] = context
        positions = range(context, context + steps + 1)
        return [timed(self._run, self._next(streams, position)) for position in positions][1:]

    def _cut(self, sequence: int, length: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def _prompt(self, sequence: int, length: int) -> list[tuple[int, int, bool]]:
        return [(sequence, position, position == length - 1) for position in range(length)]

    def _next(self, streams: int, position: int) -> list[tuple[int, int, bool]]:
        return [(sequence, position, True) for sequence in range(streams)]

    def _run(self, rows: list[tuple[int, int, bool]]) -> None:
        """One batch of (sequence, position, whether logits are wanted)."""
        batch: Any = self._batch
        batch.n_tokens = len(rows)
        for i, (sequence, position, wants_logits) in enumerate(rows):
            batch.token[i] = self._chance.randrange(self._num_tokens)
            batch.pos[i], batch.n_seq_id[i], batch.logits[i] = position, 1, wants_logits
            batch.seq_id[i][0] = sequence
        assert llama_cpp.llama_decode(self._context, batch) == 0
        llama_cpp.llama_synchronize(self._context)


if __name__ == "__main__":
    serve(lambda: LlamaCpp(*sys.argv[1:]))
