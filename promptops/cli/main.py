"""The command `promptops`: commands are imported when they are called, and errors end here."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from promptops.cli.boundary import CLICK_ERROR, interrupted, report_bug, report_error, secretless, silence_output
from promptops.cli.completing import VARIABLE, complete_values, mend_words
from promptops.cli.table import COMMANDS, Entry
from promptops.errors import PromptopsError
from promptops.startup import collect_rarely, end_at_once, leave_out_httpx_command_line

EXIT_USAGE, EXIT_BUG, EXIT_INTERRUPTED = 2, 70, 130


_completed = [""]  # what a shell that asks has in front of the part of a word that it replaces


class LazyCommand(TyperCommand):
    """A command that is listed and not yet imported."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(name=entry.name, help=entry.help, short_help=entry.help, rich_markup_mode=None)
        self.entry = entry

    def load(self) -> Any:
        """Import the command's module and return the real command."""
        module = importlib.import_module(self.entry.module)
        app = getattr(module, "app", None)
        if app is None:
            function = getattr(module, self.entry.attribute, None) or getattr(module, f"{self.entry.attribute}_")
            app = typer.Typer(rich_markup_mode=None, add_completion=False)
            settings = {"help_option_names": ["-h", "--help"]}
            app.command(self.entry.name, epilog=_examples(module), context_settings=settings)(function)
        command = typer.main.get_command(app)
        command.name = self.entry.name
        if VARIABLE in os.environ:  # a shell asks what fits
            complete_values(command, prefix=_completed[0])
        return command


def _examples(module: Any) -> str:
    """The epilog of a command's help, from the `EXAMPLES` of its module."""
    lines = getattr(module, "EXAMPLES", ())
    return "\b\nExamples:\n" + "\n".join(f"  $ {line}" for line in lines) if lines else ""


class Interrupted(Exception):
    """Ctrl-C, on its way to the boundary."""


class LazyGroup(TyperGroup):
    """The group of all commands: listing reads the table, calling imports one module."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for entry in COMMANDS:
            self.add_command(LazyCommand(entry))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest

    def invoke(self, ctx: Any) -> Any:
        """Typer would swallow Ctrl-C here and exit without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the signature is typer's
        """List the commands under their groups, in the order of the table."""
        for group in dict.fromkeys(entry.group for entry in COMMANDS):
            with formatter.section(group):
                rows = [(entry.name, entry.help) for entry in COMMANDS if entry.group == group]
                width = max(len(entry.name) for entry in COMMANDS)
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if value:
        from importlib.metadata import version

        typer.echo(f"promptops {version('pytest-promptops')}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  $ promptops init\n  $ pytest --promptops\n  $ promptops canary booking@v3\n"
    "  $ promptops promote booking@v3 --to production",
)


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Prompts as code: versions in git, tested by pytest, compared, promoted and watched."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit the process with the code of DESIGN's table."""
    _completed[0] = mend_words(os.environ)
    collect_rarely()
    end_at_once()
    leave_out_httpx_command_line()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what is measured is kept
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every error of it is worded here, none leaves."""
    try:
        command = typer.main.get_command(app)
        code = command.main(arguments, prog_name="promptops", standalone_mode=False)
        sys.stdout.flush()
    except PromptopsError as error:
        report_error(error)
        return error.exit_code
    except CLICK_ERROR as error:
        error.message = secretless(error.message, os.environ)
        error.show()
        return int(getattr(error, "exit_code", EXIT_USAGE)) or EXIT_USAGE
    except (Interrupted, KeyboardInterrupt, typer.Abort):
        return interrupted()
    except BrokenPipeError:
        return silence_output()
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # typer makes it 1, which would be a regression
            return silence_output()
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    except Exception as error:
        return report_bug(error, arguments, os.environ)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
