"""Weights: safetensors files -> a `Transformer`, without a second copy of them in memory.

The decoder is built without memory, then its parameters become views of the mapped files. A tensor is copied only
when its dtype has to change, or its place: then each goes to the GPU by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from owngpt.errors import CheckpointError
from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from owngpt.model.values import read_json

Progress = Callable[[int, int], None]  # bytes done, bytes in all

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
_FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
SMALL_FLOATS = {**_FLOATS, "F8_E4M3": torch.float8_e4m3fn}  # without scales; a decoder's have some, so it takes none
_CODES = {"U8": torch.uint8}  # blocks of 4-bit numbers and their scales, for the parameters that are that
_WORDS = {"I32": torch.int32}  # what GPTQ and AWQ pack such numbers into
_SIZES = {**SMALL_FLOATS, **_CODES, **_WORDS}
_INTEGERS = {torch.uint8: _CODES, torch.int32: _WORDS}
_HEAD = "lm_head.weight"
_BODIES = ("model.", "model.language_model.", "language_model.model.", "")  # where checkpoints keep the decoder
_HEADS = ("", "language_model.")
_IGNORED = ("rotary_emb.inv_freq",)  # a buffer that old checkpoints carry


def load_model(
    folder: Path,
    dtype: torch.dtype | str = "auto",
    *,
    device: str = "cpu",
    random_weights: bool = False,
    progress: Progress | None = None,
) -> Transformer:
    """The decoder of a Hugging Face folder, in inference mode; its parameters do not ask for gradients.

    `dtype`: fp32, bf16, or auto: what the checkpoint has (fp16 becomes fp32). `random_weights` needs config.json
    only and always makes the same ones. `CheckpointError` names the file or the tensor that is wrong.
    """
    chosen = parse_dtype(dtype)
    config = ModelConfig.from_folder(folder)
    with torch.device("meta"):
        model = Transformer(config)
    if random_weights:
        model.to(chosen or named_dtype(folder)).to_empty(device="cpu")
        model.init_weights()
        model.to(device)
    else:
        _read(model, folder, chosen, device, progress)
    return model.eval().requires_grad_(False)


def parse_dtype(dtype: torch.dtype | str) -> torch.dtype | None:
    """None is auto: the checkpoint decides. `CheckpointError` on another name."""
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype == "auto":
        return None
    if dtype not in DTYPES:
        raise CheckpointError(f"dtype {dtype!r} is unknown; use auto, {', '.join(DTYPES)}")
    return DTYPES[dtype]


class StoredTensor(NamedTuple):
    """Where a tensor lies."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str  # as safetensors calls it: "BF16"

    @property
    def num_bytes(self) -> int:
        return torch.Size(self.shape).numel() * _SIZES[self.dtype].itemsize


class TensorReader:
    """Reads tensors as views of mapped files, which stay open for as long as it lives."""

    def __init__(self) -> None:
        self._opened: dict[Path, Any] = {}

    def read(self, tensor: StoredTensor) -> Tensor:
        if tensor.file not in self._opened:
            self._opened[tensor.file] = _open(tensor.file)
        value: Tensor = self._opened[tensor.file].get_tensor(tensor.name)
        return value


class StoredWeights:
    """The safetensors of a folder as a `WeightSource`: what is read is a view of a mapped file."""

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        """Reads the headers only. `CheckpointError` names the first tensor that is missing, misshapen or too many."""
        self.config = config
        with torch.device("meta"):
            self._found = _find(Transformer(config), folder)
        self.dtype = "bf16" if auto_dtype(self._found["embed_tokens.weight"]) is torch.bfloat16 else "fp32"
        self._reader = TensorReader()

    @property
    def num_bytes(self) -> int:
        """See `WeightSource`."""
        return sum(tensor.num_bytes for tensor in self._found.values())

    def size(self, name: str) -> int:
        """See `WeightSource`."""
        return self._found[name].num_bytes

    def read(self, name: str) -> Tensor:
        """See `WeightSource`."""
        return self._reader.read(self._found[name])


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder. `CheckpointError` when one that its index lists is missing."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise CheckpointError(f"{folder} has neither {SINGLE} nor {INDEX}; weights are read from safetensors only")
    weight_map = read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(_is_plain_name(name) for name in weight_map.values()):
        raise CheckpointError(f"{folder / INDEX} has no weight_map from tensor names to file names")
    files = [folder / name for name in sorted(set(weight_map.values()))]
    for file in files:
        if not file.is_file():
            raise CheckpointError(f"{file} is missing; {INDEX} lists it")
    return files


def read_index(folder: Path) -> dict[str, StoredTensor]:
    """Name -> place of every tensor of a folder. Reads the headers only; a truncated file is found here."""
    return {tensor.name: tensor for file in weight_files(folder) for tensor in _read_header(file)}


def find_tensors(
    module: nn.Module,
    stored: Mapping[str, StoredTensor],
    stored_name: Callable[[str], str],
    folder: Path,
    floats: Mapping[str, torch.dtype] = _FLOATS,
) -> dict[str, StoredTensor]:
    """Parameter name -> its tensor. `CheckpointError` names the first that is missing or has another shape."""
    return {
        name: find_tensor(stored, stored_name(name), tuple(parameter.shape), folder, parameter.dtype, floats)
        for name, parameter in module.named_parameters()
    }


def find_tensor(
    stored: Mapping[str, StoredTensor],
    name: str,
    shape: tuple[int, ...],
    folder: Path,
    dtype: torch.dtype = torch.float32,
    floats: Mapping[str, torch.dtype] = _FLOATS,
) -> StoredTensor:
    """The tensor `name`, if it is as a parameter needs it; `floats` may stand for others. Raises `CheckpointError`."""
    tensor = stored.get(name)
    if tensor is None:
        raise CheckpointError(f"{folder}: tensor {name} is missing from the weights")
    if tensor.shape != shape:
        raise CheckpointError(
            f"{tensor.file}: tensor {name} has shape {list(tensor.shape)}; config.json asks for {list(shape)}"
        )
    dtypes = _INTEGERS.get(dtype, floats)
    if tensor.dtype not in dtypes:
        raise CheckpointError(f"{tensor.file}: tensor {name} has dtype {tensor.dtype}, not one of {', '.join(dtypes)}")
    return tensor


def fill(
    module: nn.Module,
    found: Mapping[str, StoredTensor],
    dtype: torch.dtype,
    progress: Progress | None = None,
    device: str = "cpu",
) -> None:
    """Give every parameter its tensor: a view of the mapped file, or a copy where the dtype or the device changes."""
    names = {tensor.name: name for name, tensor in found.items()}
    done, total = 0, sum(tensor.num_bytes for tensor in found.values())
    for tensor, value in _mapped(found.values()):
        _assign(module, names[tensor.name], value.to(device, dtype if value.is_floating_point() else value.dtype))
        done += tensor.num_bytes
        if progress is not None:
            progress(done, total)


def auto_dtype(tensor: StoredTensor) -> torch.dtype:
    """What a checkpoint is computed in by default: bf16 stays, everything else becomes float32."""
    return torch.bfloat16 if tensor.dtype == "BF16" else torch.float32


def _mapped(tensors: Iterable[StoredTensor]) -> Iterator[tuple[StoredTensor, Tensor]]:
    by_file: dict[Path, list[StoredTensor]] = {}
    for tensor in tensors:
        by_file.setdefault(tensor.file, []).append(tensor)
    for file, members in by_file.items():
        with _open(file) as opened:
            for tensor in members:
                yield tensor, opened.get_tensor(tensor.name)


def _assign(module: nn.Module, name: str, value: Tensor) -> None:
    owner_name, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner_name), leaf, nn.Parameter(value, requires_grad=False))


def _read(model: Transformer, folder: Path, dtype: torch.dtype | None, device: str, progress: Progress | None) -> None:
    found = _find(model, folder)
    fill(model, found, dtype or auto_dtype(found["embed_tokens.weight"]), progress, device)


def _find(model: Transformer, folder: Path) -> dict[str, StoredTensor]:
    stored = {name: tensor for name, tensor in read_index(folder).items() if not name.endswith(_IGNORED)}
    stored_name = naming(stored, folder)
    found = find_tensors(model, stored, stored_name, folder)
    _refuse_extra(model, found, stored, stored_name("layers."))
    return found


def naming(stored: Mapping[str, StoredTensor], folder: Path) -> Callable[[str], str]:
    """Parameter name -> checkpoint name: the decoder may be a part of a larger model."""
    body = next((prefix for prefix in _BODIES if f"{prefix}embed_tokens.weight" in stored), None)
    if body is None:
        raise CheckpointError(f"{folder}: tensor model.embed_tokens.weight is missing from the weights")
    head = next((prefix for prefix in _HEADS if f"{prefix}{_HEAD}" in stored), "")
    return lambda name: f"{head}{name}" if name == _HEAD else f"{body}{name}"


def _refuse_extra(
    model: Transformer, found: Mapping[str, StoredTensor], stored: Mapping[str, StoredTensor], prefix: str
) -> None:
    """A tensor of a layer that nobody asked for means that this is not the decoder we think it is."""
    used = {tensor.name for tensor in found.values()}
    for name, tensor in stored.items():
        if name.startswith(prefix) and name not in used:
            raise CheckpointError(
                f"{tensor.file}: tensor {name} has no place in {model.config.architecture} "
                f"with {model.config.num_layers} layers, as config.json describes it"
            )


def named_dtype(folder: Path) -> torch.dtype:
    """What config.json says that the weights are; float32 where it says nothing of the kind."""
    values = read_json(folder / "config.json")
    name = values.get("dtype") or values.get("torch_dtype")
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def _is_plain_name(name: Any) -> bool:
    return isinstance(name, str) and name != "" and Path(name).name == name


def _read_header(file: Path) -> list[StoredTensor]:
    with _open(file) as opened:
        return [
            StoredTensor(file, name, tuple(part.get_shape()), part.get_dtype())
            for name in opened.keys()  # noqa: SIM118  (not a dict)
            for part in (opened.get_slice(name),)
        ]


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} cannot be read as safetensors: {error}; fetch it again") from error
