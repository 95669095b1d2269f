"""Options that several commands share, and how they become `Settings`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def together(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Several options as one decorator, listed in help in this order."""

    def decorate(function: F) -> F:
        return reduce(lambda decorated, option: option(decorated), reversed(options), function)

    return decorate


def parse_aliases(pairs: Iterable[str]) -> dict[str, str] | None:
    """`gpt-5.2=Qwen3-0.6B` -> a mapping; None where there is no pair, so that the config file's stay."""
    aliases = {}
    for pair in pairs:
        alias, equals, name = pair.partition("=")
        if not (alias and equals and name):
            raise click.BadParameter(f"{pair!r} must be NAME=MODEL, for example gpt-5.2=Qwen3-0.6B")
        aliases[alias] = name
    return aliases or None


config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings in TOML; command line and environment go before it.",
)
data_dir_option = click.option(
    "--data-dir", metavar="DIR", help="Where keys and other data are kept.  [default: ~/.owngpt]"
)
database_option = click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL instead of a file there; rather set OWNGPT_DATABASE.  [default: DIR/owngpt.db]",
)
model_options = together(
    click.option("--device", help="What computes: cpu or cuda.  [default: cpu]"),
    click.option("--dtype", help="Number format of the weights: auto, fp32, bf16, int8 or int4.  [default: auto]"),
    click.option("--kv-memory", metavar="SIZE", help="Memory for KV blocks of each model, for example 4GiB."),
    click.option("--max-model-len", metavar="N", help="Longest prompt plus answer in tokens."),
    click.option("--threads", metavar="N", help="Threads that compute.  [default: the cores of this machine]"),
)
server_options = together(
    click.option("--base-url", envvar="OWNGPT_BASE_URL", help="A running server, for example http://HOST:8000/v1."),
    click.option(
        "--api-key", envvar="OWNGPT_API_KEY", default="", help="The key for that server; rather set OWNGPT_API_KEY."
    ),
)
