"""Every source of the corpus: where its file is, who is to be credited, and how much of each phase it gets.

A share is relative to the other shares of its phase. The first phase (`stable`) is mostly reading, the second
(`decay`, while the learning rate falls) mostly tasks. A share is an upper bound: a source that has been read as often as
it may be leaves its share to the others.
"""

# ruff: noqa: E501  (one row of the table per source)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from owngpt.training.documents import Document, Kind
from owngpt.training.sources.arithmetic import read_arithmetic
from owngpt.training.sources.dialogues import read_asdc, read_sgd
from owngpt.training.sources.explain import read_completions, read_headings, read_titles
from owngpt.training.sources.grounded import (
    read_asdc_correctness,
    read_begin,
    read_fool_me_twice,
    read_jsick,
    read_pubmedqa,
    read_quoted,
    read_tatqa,
)
from owngpt.training.sources.packages import package_works, read_packages, site_folder
from owngpt.training.sources.pages import read_page_pairs, read_pages
from owngpt.training.sources.persona import read_persona
from owngpt.training.sources.prose import read_aozora, read_ebooks, read_markup, read_squality
from owngpt.training.sources.python import read_functions, read_library, read_mbpp, standard_library
from owngpt.training.sources.questions import (
    read_explained,
    read_factbook,
    read_gsm8k,
    read_jcommonsenseqa,
    read_seed_tasks,
    read_squad,
)
from owngpt.training.sources.steps import read_steps
from owngpt.training.sources.summaries import (
    read_e2e,
    read_mts_dialog,
    read_qmsum,
    read_scitldr,
    read_scud,
    read_sgd_summaries,
)
from owngpt.training.sources.support import read_banking77, read_clinc150, read_multidogo
from owngpt.training.sources.translation import read_ami, read_python_docs, read_tanaka, read_tatoeba

PYTHON_LIBRARY = "<python>"  # the library of the Python that runs this, not a file of the data folder
PACKAGES = "<packages>"  # what is installed beside it
WRITTEN_HERE = ""  # no file at all: the text is in this package, all of it for training
MADE_HERE = "<made here>"  # no file either, but problems without end, so that some can be held out


@dataclass(frozen=True, slots=True)
class Source:
    """One source. `file` is relative to the data folder; `stable` and `decay` are its shares of the two phases.

    What is held out of it is decided by `text/held_out.py`. In one run it is read `max_epochs` times at most, half of
    them in each phase. `works` lists what a collection was read from.
    """

    name: str
    kind: Kind
    file: str
    licence: str
    credit: str
    read: Callable[[Path], Iterator[Document]]
    stable: float
    decay: float
    max_epochs: float = 4
    works: Callable[[], list[dict[str, str | int]]] | None = None

    @property
    def can_be_held_out(self) -> bool:
        """What is written here is small and all of it is for training."""
        return self.file != WRITTEN_HERE

    def path(self, data: Path) -> Path:
        """What `read` is to be called with."""
        if self.file in (PYTHON_LIBRARY, PACKAGES):
            return standard_library() if self.file == PYTHON_LIBRARY else site_folder()
        return data if self.file == MADE_HERE else data / self.file


SGD = "Schema-Guided Dialogue (DSTC8), Google Research"
FLAN = "FLAN chain-of-thought collection, Google Research"
PSF = "Python Software Foundation and contributors"
SQUAD = "SQuAD 1.1, Stanford; passages from Wikipedia"
JAQUAD = "JaQuAD, Skelter Labs; passages from Japanese Wikipedia"
ASDC = "Accommodation Search Dialog Corpus, Megagon Labs"
PAGES = "Documentation of React, Angular, Astro, FastAPI, Ruby on Rails and Open Source Guides, and its Japanese translators"
PAGES_LICENCE = "CC-BY-4.0, MIT, CC-BY-SA-4.0"
PAGES_FILE = "mt/docs_en_ja_pairs.tar.gz"
SQUAD_FILE, JAQUAD_FILE = "qa/squad11_dev_part.json.gz", "qa/jaquad_train.tar.gz"
ASDC_FILE, SGD_FILE = "support/asdc_main_supp.tar.gz", "support/sgd_train_part.tar.gz"
SOURCES: tuple[Source, ...] = (
    Source("ebooks", "english", "text/standardebooks_24.tar.gz", "CC0-1.0 / public domain", "Standard Ebooks", read_ebooks, 6, 1),
    Source("us-gov-docs", "english", "text/us_gov_docs.tar.gz", "CC0-1.0 / public domain", "18F, GSA Digital.gov, USWDS", read_markup("us-gov-docs"), 6, 1),
    Source("peps", "english", "text/peps.tar.gz", "CC0-1.0 / public domain", "Python Enhancement Proposals", read_markup("peps"), 3, 1),
    Source("squad-text", "english", SQUAD_FILE, "CC-BY-SA-4.0", SQUAD, read_squad("squad", "en", by_paragraph=True), 1, 0.5),
    Source("pages-en", "english", PAGES_FILE, PAGES_LICENCE, PAGES, read_pages("pages-en", "en"), 4, 1),
    Source("handbook", "english", "kb/18f_handbook.tar.gz", "CC0-1.0 / public domain", "18F Handbook", read_markup("handbook"), 1, 0.5),
    Source("stories", "english", "summ/squality_train.jsonl.gz", "CC-BY-4.0; text public domain", "SQuALITY, New York University; stories from Project Gutenberg", read_squality, 1.5, 0.5),
    Source("aozora", "japanese", "text/aozora_20_authors.tar.gz", "public domain", "Aozora Bunko and its volunteers", read_aozora, 6, 1),
    Source("docs-ja", "japanese", "text/docs_ja.tar.gz", "CC-BY-3.0, CC-BY-4.0, CC-BY-SA-4.0, Apache-2.0, MIT", "Ruby Reference Manual, JavaScript Primer, Docker, TypeScript book, Vue.js, The Rust Book (Japanese)", read_markup("docs-ja"), 8, 2),
    Source("jaquad-text", "japanese", JAQUAD_FILE, "CC-BY-SA-3.0", JAQUAD, read_squad("jaquad", "ja"), 4, 1.5),
    Source("pages-ja", "japanese", PAGES_FILE, PAGES_LICENCE, PAGES, read_pages("pages-ja", "ja"), 4, 1),
    Source("python", "code", PYTHON_LIBRARY, "PSF-2.0", PSF, read_library, 10, 7),
    Source("packages", "code", PACKAGES, "MIT, BSD, Apache-2.0, PSF-2.0 and the like, of each package", "Installed Python packages", read_packages, 20, 12, works=package_works),
    Source("functions", "chat", PYTHON_LIBRARY, "PSF-2.0", PSF, read_functions, 2, 2),
    Source("completions", "chat", PYTHON_LIBRARY, "PSF-2.0", PSF, read_completions, 1.5, 2),
    Source("mbpp", "chat", "code/mbpp_train_valid_prompt.jsonl.gz", "CC-BY-4.0", "MBPP, Google Research", read_mbpp, 0.3, 0.7),
    Source("tatoeba", "chat", "mt/tatoeba_eng_jpn.tsv.gz", "CC-BY-2.0-FR", "Tatoeba contributors, by way of manythings.org", read_tatoeba, 5, 9),
    Source("tanaka", "chat", "mt/small_parallel_enja.train.en.gz", "CC-BY-2.0-FR", "Tanaka Corpus, by way of small_parallel_enja", read_tanaka, 3, 4),
    Source("ami", "chat", "mt/ami_parallel_dev.json.gz", "CC-BY-4.0", "AMI Meeting Parallel Corpus, Tsuruoka Laboratory", read_ami, 0.5, 1),
    Source("python-docs", "chat", "mt/python_docs_ja_po.tar.gz", "PSF-2.0; translations CC0", "Python documentation and its Japanese translators", read_python_docs, 4, 3),
    Source("page-pairs", "chat", PAGES_FILE, PAGES_LICENCE, PAGES, read_page_pairs, 2.5, 3),
    Source("squad", "chat", SQUAD_FILE, "CC-BY-SA-4.0", SQUAD, read_squad("squad", "en", by_paragraph=True), 1, 1),
    Source("squad-quotes", "chat", SQUAD_FILE, "CC-BY-SA-4.0", SQUAD, read_quoted("squad", "squad-quotes", "en", by_paragraph=True), 2.5, 5),
    Source("jaquad", "chat", JAQUAD_FILE, "CC-BY-SA-3.0", JAQUAD, read_squad("jaquad", "ja"), 1, 1),
    Source("jaquad-quotes", "chat", JAQUAD_FILE, "CC-BY-SA-3.0", JAQUAD, read_quoted("jaquad", "jaquad-quotes", "ja", by_paragraph=False), 4, 8),
    Source("jaquad-titles", "chat", JAQUAD_FILE, "CC-BY-SA-3.0", JAQUAD, read_titles("jaquad-titles", "ja", by_paragraph=False), 0.2, 0.4),
    Source("pubmedqa", "chat", "qa/pubmedqa_l.json.gz", "MIT", "PubMedQA", read_pubmedqa, 0.5, 0.5),
    Source("tatqa", "chat", "qa/tatqa_dev.json.gz", "CC-BY-4.0", "TAT-QA, NExT++", read_tatqa, 0.5, 0.5),
    Source("begin", "chat", "grounding/begin_dev_wow.tsv.gz", "CC-BY-4.0", "BEGIN, Google Research", read_begin, 0.1, 0.3),
    Source("fool-me-twice", "chat", "grounding/fool_me_twice_dev.jsonl.gz", "Apache-2.0", "Fool Me Twice, Google Research", read_fool_me_twice, 0.3, 0.5),
    Source("jsick", "chat", "grounding/jsick_train.tsv.gz", "CC-BY-SA-4.0", "JSICK, Hitomi Yanaka and Koji Mineshima", read_jsick, 0.4, 0.8),
    Source("asdc-correct", "chat", "grounding/asdc_correctness_train_dev.jsonl.gz", "CC-BY-4.0", ASDC, read_asdc_correctness, 0.4, 0.8),
    Source("jcommonsenseqa", "chat", "qa/jcommonsenseqa_train.jsonl.gz", "CC-BY-SA-4.0", "JGLUE, Yahoo Japan and Waseda University", read_jcommonsenseqa, 1, 1),
    Source("gsm8k", "chat", "reasoning/gsm8k_train.jsonl.gz", "MIT", "GSM8K, OpenAI", read_gsm8k, 1.5, 2),
    Source("ecqa", "chat", "reasoning/flan_cot_ecqa_train.tsv.gz", "Apache-2.0; upstream CDLA-Sharing-1.0", FLAN, read_explained("ecqa"), 0.7, 0.8),
    Source("qasc", "chat", "reasoning/flan_cot_qasc_train.tsv.gz", "Apache-2.0; upstream CC-BY-4.0", FLAN, read_explained("qasc"), 0.2, 0.2),
    Source("strategyqa", "chat", "reasoning/flan_cot_strategyqa_train.tsv.gz", "Apache-2.0; upstream MIT", FLAN, read_explained("strategyqa"), 0.3, 0.4),
    Source("aqua", "chat", "reasoning/flan_cot_aqua_train.tsv.gz", "Apache-2.0", FLAN, read_explained("aqua"), 0.3, 0.3),
    Source("creak", "chat", "reasoning/flan_cot_creak_train.tsv.gz", "Apache-2.0; upstream MIT", FLAN, read_explained("creak"), 0.5, 0.5),
    Source("sensemaking", "chat", "reasoning/flan_cot_sensemaking_train.tsv.gz", "Apache-2.0; upstream CC-BY-SA-4.0", FLAN, read_explained("sensemaking"), 0.5, 0.5),
    Source("seed-tasks", "chat", "inst/self_instruct_seed_tasks.jsonl.gz", "Apache-2.0", "Self-Instruct", read_seed_tasks, 0.1, 0.3),
    Source("factbook", "chat", "kb/factbook.tar.gz", "CC0-1.0 / public domain", "The World Factbook, CIA", read_factbook, 0.8, 1.2),
    Source("headings-en", "chat", "text/us_gov_docs.tar.gz", "CC0-1.0 / public domain", "18F, GSA Digital.gov, USWDS", read_headings("headings-en", "en"), 0.8, 1.2),
    Source("headings-ja", "chat", "text/docs_ja.tar.gz", "CC-BY-3.0, CC-BY-4.0, CC-BY-SA-4.0, Apache-2.0, MIT", "Ruby Reference Manual, JavaScript Primer, Docker, TypeScript book, Vue.js, The Rust Book (Japanese)", read_headings("headings-ja", "ja"), 0.8, 1.5),
    Source("sgd", "chat", SGD_FILE, "CC-BY-SA-4.0", SGD, read_sgd, 2, 2),
    Source("sgd-summaries", "chat", SGD_FILE, "CC-BY-SA-4.0", SGD, read_sgd_summaries, 0.5, 1),
    Source("asdc", "chat", ASDC_FILE, "CC-BY-4.0", ASDC, read_asdc, 3, 4),
    Source("scud", "chat", ASDC_FILE, "CC-BY-4.0", ASDC, read_scud, 2, 4),
    Source("banking77", "chat", "support/banking77_train.csv.gz", "CC-BY-4.0", "BANKING77, PolyAI", read_banking77, 1.2, 3),
    Source("clinc150", "chat", "support/clinc150_full.json.gz", "CC-BY-3.0", "CLINC150, Clinc", read_clinc150, 1.5, 4),
    Source("multidogo", "chat", "support/multidogo_train_dev.tar.gz", "CDLA-Permissive-1.0", "MultiDoGO, Amazon", read_multidogo, 0.8, 1),
    Source("mts-dialog", "chat", "summ/mts_dialog_train.csv.gz", "CC-BY-4.0", "MTS-Dialog, Asma Ben Abacha and others", read_mts_dialog, 0.8, 2),
    Source("qmsum", "chat", "summ/qmsum_train_val.tar.gz", "MIT", "QMSum, Yale LILY Lab", read_qmsum, 0.2, 0.4),
    Source("scitldr", "chat", "summ/scitldr_a_train.jsonl.gz", "Apache-2.0", "SciTLDR, Allen Institute for AI", read_scitldr, 0.6, 1),
    Source("e2e", "chat", "copy/e2e_devset.csv.gz", "CC-BY-SA-4.0", "E2E NLG, Heriot-Watt University", read_e2e, 0.5, 1),
    Source("persona", "chat", WRITTEN_HERE, "Apache-2.0", "owngpt", lambda _: read_persona(), 0.7, 4, max_epochs=60),
    Source("arithmetic", "chat", WRITTEN_HERE, "Apache-2.0", "owngpt", lambda _: read_arithmetic(), 0.3, 1, max_epochs=20),
    Source("steps", "chat", MADE_HERE, "Apache-2.0", "owngpt", lambda _: read_steps(), 4, 8),
)  # fmt: skip
