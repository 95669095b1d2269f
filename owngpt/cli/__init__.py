"""The command line. Each command is imported when it is called, so `owngpt --help` needs no torch and no time.

A `SetupError` (a bad setting, a broken checkpoint, a port in use) ends any command with its one sentence and exit
status 2.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from owngpt import __version__
from owngpt.errors import OwnGPTError

# name -> where it is, and the line that `owngpt --help` shows
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("owngpt.cli.serve:serve", "Serve models behind the OpenAI API."),
    "chat": ("owngpt.cli.chat:chat", "Talk to a model in the terminal."),
    "ask": ("owngpt.cli.ask:ask", "Ask the documents in a folder, with no server."),
    "complete": ("owngpt.cli.complete:complete", "Complete code at a place of a file."),
    "pull": ("owngpt.cli.models:pull", "Download a model from the Hugging Face Hub."),
    "models": ("owngpt.cli.models:models", "List the models on this machine."),
    "keys": ("owngpt.cli.keys:keys", "Make, list, rotate and revoke API keys."),
    "projects": ("owngpt.cli.projects:projects", "Make, list and archive projects."),
    "replay": ("owngpt.cli.replay:replay", "Make a stored answer again and say what differs."),
    "train": ("owngpt.training.cli:train", "Train tokenizers and models."),
    "eval": ("owngpt.cli.eval:eval", "Measure models, answers and searches."),
    "bench": ("owngpt.cli.bench:bench", "Measure speed on this machine."),
}


class Failure(click.ClickException):
    """What the user can mend: printed as one sentence."""

    exit_code = 2


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table: nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OwnGPTError as error:
            raise Failure(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="owngpt")
def main() -> None:
    """A GPT platform on your own machine, behind the OpenAI API.

    `owngpt serve` with no argument serves the two bundled models. Settings come from the command line, then from
    OWNGPT_* in the environment, then from the file that --config names.
    """
