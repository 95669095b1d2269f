"""Every source of the corpus: where its file is, who is to be credited, and how much of each phase it gets.

A share is relative to the other shares of its phase. The first phase (`stable`) is mostly reading, the second
(`decay`, while the learning rate falls) mostly talking.
"""

# ruff: noqa: E501  (one row of the table per source)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from owngpt.training.documents import Document
from owngpt.training.sources.arithmetic import read_arithmetic
from owngpt.training.sources.dialogues import read_asdc, read_sgd
from owngpt.training.sources.persona import read_persona
from owngpt.training.sources.prose import read_aozora, read_ebooks, read_markup
from owngpt.training.sources.python import read_functions, read_library, read_mbpp
from owngpt.training.sources.questions import (
    read_explained,
    read_factbook,
    read_gsm8k,
    read_jcommonsenseqa,
    read_seed_tasks,
    read_squad,
)
from owngpt.training.sources.translation import read_python_docs, read_tatoeba

Kind = Literal["english", "japanese", "code", "chat"]
PYTHON_LIBRARY = "<python>"  # the library of the Python that runs this, not a file of the data folder
WRITTEN_HERE = ""  # no file at all: the text is in this package


@dataclass(frozen=True, slots=True)
class Source:
    """One source. `file` is relative to the data folder; `stable` and `decay` are its shares of the two phases."""

    name: str
    kind: Kind
    file: str
    licence: str
    credit: str
    read: Callable[[Path], Iterator[Document]]
    stable: float
    decay: float

    @property
    def can_be_held_out(self) -> bool:
        """What is written here is small and all of it is for training."""
        return self.file != WRITTEN_HERE


SGD = "Schema-Guided Dialogue (DSTC8), Google Research"
FLAN = "FLAN chain-of-thought collection, Google Research"
SOURCES: tuple[Source, ...] = (
    Source("ebooks", "english", "text/standardebooks_24.tar.gz", "CC0-1.0 / public domain", "Standard Ebooks", read_ebooks, 6, 1),
    Source("us-gov-docs", "english", "text/us_gov_docs.tar.gz", "CC0-1.0 / public domain", "18F, GSA Digital.gov, USWDS", read_markup("us-gov-docs"), 8, 2),
    Source("peps", "english", "text/peps.tar.gz", "CC0-1.0 / public domain", "Python Enhancement Proposals", read_markup("peps"), 2, 1),
    Source("squad-text", "english", "qa/squad11_dev_part.json.gz", "CC-BY-SA-4.0", "SQuAD 1.1, Stanford; passages from Wikipedia", read_squad("squad", "en"), 2, 1),
    Source("aozora", "japanese", "text/aozora_20_authors.tar.gz", "public domain", "Aozora Bunko and its volunteers", read_aozora, 3, 1),
    Source("docs-ja", "japanese", "text/docs_ja.tar.gz", "CC-BY-3.0, CC-BY-4.0, CC-BY-SA-4.0, Apache-2.0, MIT", "Ruby Reference Manual, JavaScript Primer, Docker, TypeScript book, Vue.js, The Rust Book (Japanese)", read_markup("docs-ja"), 7, 2),
    Source("jaquad-text", "japanese", "qa/jaquad_train.tar.gz", "CC-BY-SA-3.0", "JaQuAD, Skelter Labs; passages from Japanese Wikipedia", read_squad("jaquad", "ja"), 9, 3),
    Source("python", "code", PYTHON_LIBRARY, "PSF-2.0", "Python Software Foundation and contributors", read_library, 14, 6),
    Source("functions", "chat", PYTHON_LIBRARY, "PSF-2.0", "Python Software Foundation and contributors", read_functions, 3, 4),
    Source("mbpp", "chat", "code/mbpp_train_valid_prompt.jsonl.gz", "CC-BY-4.0", "MBPP, Google Research", read_mbpp, 1, 2),
    Source("tatoeba", "chat", "mt/tatoeba_eng_jpn.tsv.gz", "CC-BY-2.0-FR", "Tatoeba contributors, by way of manythings.org", read_tatoeba, 22, 28),
    Source("python-docs", "chat", "mt/python_docs_ja_po.tar.gz", "PSF-2.0; translations CC0", "Python documentation and its Japanese translators", read_python_docs, 4, 3),
    Source("squad", "chat", "qa/squad11_dev_part.json.gz", "CC-BY-SA-4.0", "SQuAD 1.1, Stanford; passages from Wikipedia", read_squad("squad", "en"), 3, 6),
    Source("jaquad", "chat", "qa/jaquad_train.tar.gz", "CC-BY-SA-3.0", "JaQuAD, Skelter Labs; passages from Japanese Wikipedia", read_squad("jaquad", "ja"), 3, 6),
    Source("jcommonsenseqa", "chat", "qa/jcommonsenseqa_train.jsonl.gz", "CC-BY-SA-4.0", "JGLUE, Yahoo Japan and Waseda University", read_jcommonsenseqa, 2, 4),
    Source("gsm8k", "chat", "reasoning/gsm8k_train.jsonl.gz", "MIT", "GSM8K, OpenAI", read_gsm8k, 2, 4),
    Source("ecqa", "chat", "reasoning/flan_cot_ecqa_train.tsv.gz", "Apache-2.0; upstream CDLA-Sharing-1.0", FLAN, read_explained("ecqa"), 1, 2),
    Source("qasc", "chat", "reasoning/flan_cot_qasc_train.tsv.gz", "Apache-2.0; upstream CC-BY-4.0", FLAN, read_explained("qasc"), 0.5, 1),
    Source("strategyqa", "chat", "reasoning/flan_cot_strategyqa_train.tsv.gz", "Apache-2.0; upstream MIT", FLAN, read_explained("strategyqa"), 0.5, 1),
    Source("seed-tasks", "chat", "inst/self_instruct_seed_tasks.jsonl.gz", "Apache-2.0", "Self-Instruct", read_seed_tasks, 0.5, 1),
    Source("factbook", "chat", "kb/factbook.tar.gz", "CC0-1.0 / public domain", "The World Factbook, CIA", read_factbook, 1, 2),
    Source("sgd", "chat", "support/sgd_train_part.tar.gz", "CC-BY-SA-4.0", SGD, read_sgd, 3, 2),
    Source("asdc", "chat", "support/asdc_main_supp.tar.gz", "CC-BY-4.0", "Accommodation Search Dialog Corpus, Megagon Labs", read_asdc, 5, 10),
    Source("persona", "chat", WRITTEN_HERE, "Apache-2.0", "owngpt", lambda _: read_persona(), 4, 16),
    Source("arithmetic", "chat", WRITTEN_HERE, "Apache-2.0", "owngpt", lambda _: read_arithmetic(), 1, 5),
)  # fmt: skip
