"""A small encoder in MiniLM's layout, and a data folder with a little of everything that the reader learns from."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from owngpt.model.bundled import minilm_folder
from owngpt.model.encoder import Encoder, EncoderConfig, stored_name

_COPIED = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json")
_MORE = ("sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json")
_SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
PLACES = ("Lyon", "Kobe", "Cairo", "Lima", "Oslo", "Riga", "Quito", "Accra")
TOWNS = ("神戸", "京都", "奈良", "札幌", "仙台", "広島", "福岡", "長崎")


def small_encoder(folder: Path) -> Path:
    """MiniLM with other, few and random weights."""
    (folder / "1_Pooling").mkdir(parents=True)
    for name in (*_COPIED, *_MORE):
        shutil.copyfile(minilm_folder() / name, folder / name)
    config = json.loads((minilm_folder() / "config.json").read_text()) | _SHAPE
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig.from_folder(folder))
    for parameter in encoder.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3 + (1.0 if parameter.ndim == 1 else 0.0)
    weights = {stored_name(name): value.contiguous() for name, value in encoder.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def small_data(folder: Path) -> Path:
    """All files that are read, with some lines each."""
    for name in ("qa", "mt", "grounding"):
        (folder / name).mkdir(parents=True)
    english = [
        _article(
            f"City {i}", f"The mayor lives in {place}. The port has 12 ships.", "Where does the mayor live?", place
        )
        for i, place in enumerate(PLACES)
    ]
    japanese = [
        _article(
            f"市 {i}", f"市長は{town}に住んでいます。港には船が12隻あります。", "市長はどこに住んでいますか?", town
        )
        for i, town in enumerate(TOWNS)
    ]
    _gzip(folder / "qa/squad11_dev_part.json.gz", json.dumps({"data": english}))
    _tar(folder / "qa/jaquad_train.tar.gz", "data/train/jaquad_train_0000.json", json.dumps({"data": japanese}))
    likeness = [
        {"sentence1": f"{town}へ行く。", "sentence2": f"{town}に行きます。", "label": i % 6}
        for i, town in enumerate(TOWNS)
    ]
    _gzip(folder / "qa/jsts_train_clean.jsonl.gz", "\n".join(map(json.dumps, likeness)))
    pairs = [(f"I went to {place}.", f"{town}へ行った。") for place, town in zip(PLACES, TOWNS, strict=True)] * 2
    _gzip(folder / "mt/tatoeba_eng_jpn.tsv.gz", "\n".join("\t".join(pair) for pair in pairs))
    _gzip(folder / "mt/small_parallel_enja.train.en.gz", "\n".join(english for english, _ in pairs))
    _gzip(folder / "mt/small_parallel_enja.train.ja.gz", "\n".join(" ".join(japanese) for _, japanese in pairs))
    turns = [{"en_sentence": "Okay.", "ja_sentence": "それでは。"}]
    _gzip(folder / "mt/ami_parallel_dev.json.gz", json.dumps([{"id": "m1", "conversation": turns}]))
    _tar(
        folder / "mt/python_docs_ja_po.tar.gz",
        "a.po",
        'msgid "Return a copy of the list."\nmsgstr "リストの複製を返します。"\n',
    )
    facts = [
        {
            "id": str(i),
            "text": f"{place} is big.",
            "gold_evidence": [{"text": f"{place} is big and old."}],
            "label": ("SUPPORTS", "REFUTES")[i % 2],
        }
        for i, place in enumerate(PLACES)
    ]
    _gzip(folder / "grounding/fool_me_twice_dev.jsonl.gz", "\n".join(map(json.dumps, facts)))
    begin = "\n".join(
        ["knowledge\tresponse\tbegin_label", *(f"{p} is old.\tIt is old.\tFully attributable" for p in PLACES)]
    )
    for name in ("cmu", "wow"):
        _gzip(folder / f"grounding/begin_dev_{name}.tsv.gz", begin)
    said = [
        {
            "context": [{"text": "どこですか?"}],
            "sources": [f"{town}です。"],
            "targets": [f"{town}だ。"],
            "correct": i % 2 == 0,
        }
        for i, town in enumerate(TOWNS)
    ]
    _gzip(folder / "grounding/asdc_correctness_train_dev.jsonl.gz", "\n".join(map(json.dumps, said)))
    rows = [
        "sentence_A_Ja\tsentence_B_Ja\tentailment_label_Ja",
        *(f"{t}は古い\t{t}は新しい\tcontradiction" for t in TOWNS),
    ]
    _gzip(folder / "grounding/jsick_train.tsv.gz", "\n".join(rows))
    return folder


def _article(title: str, context: str, question: str, answer: str) -> dict[str, Any]:
    answers = [{"text": answer, "answer_start": context.index(answer)}]
    return {"title": title, "paragraphs": [{"context": context, "qas": [{"question": question, "answers": answers}]}]}


def _gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def _tar(path: Path, name: str, text: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(text.encode())
        archive.addfile(info, io.BytesIO(text.encode()))
