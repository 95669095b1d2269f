"""`owngpt bench`: speed on this machine, as a table or as JSON."""

from __future__ import annotations

import json
from typing import Any

import click

from owngpt.errors import ConfigError


@click.group()
def bench() -> None:
    """Measure speed on this machine."""


@bench.command()
@click.option("--model", required=True, metavar="DIR", help="A model's folder or GGUF file, or ORG/NAME.")
@click.option("--random-weights", is_flag=True, help="Only config.json is needed; the weights are made up.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--dtype", default="auto", show_default=True, help="auto, fp32, bf16, int8 or int4.")
@click.option("--prompt", default=512, show_default=True, type=click.IntRange(min=1), help="Tokens of the prefill.")
@click.option("--context", default=128, show_default=True, type=click.IntRange(min=1), help="Tokens before decoding.")
@click.option("--streams", default="1,4,8,16", show_default=True, help="How many sequences decode at once.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads that compute.  [default: torch's choice]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def engine(
    model: str,
    random_weights: bool,
    device: str,
    dtype: str,
    prompt: int,
    context: int,
    streams: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Prefill and decode speed of the engine, without the server around it."""
    counts = parse_streams(streams)
    from owngpt.config import Settings
    from owngpt.engine.bench import bench_engine
    from owngpt.engine.checkpoint import locate

    result = bench_engine(
        locate(model, Settings.load().data_dir),
        random_weights=random_weights,
        dtype=dtype,
        device=device,
        prompt=prompt,
        context=context,
        streams=counts,
        threads=threads,
    )
    click.echo(json.dumps(result) if as_json else table(result))


def parse_streams(text: str) -> tuple[int, ...]:
    """`1,4,8` -> counts. Raises `ConfigError`."""
    counts = tuple(int(part) if part.strip().isdecimal() else 0 for part in text.split(","))
    if min(counts) < 1:
        raise ConfigError(f"--streams is {text!r}; it must be counts such as 1,4,8,16")
    return counts


def table(result: dict[str, Any]) -> str:
    """The same numbers for people."""
    lines = [f"prefill {result['prefill_tok_s']:,.0f} tokens/s ({result['dtype']}, {result['threads']} threads)"]
    for count, decode in result["decode"].items():
        lines.append(
            f"decode, {count:>2} streams: {decode['tok_s']:,.0f} tokens/s,"
            f" a step {decode['median_ms']:.2f} ms (best {decode['best_ms']:.2f})"
        )
    return "\n".join(lines)
