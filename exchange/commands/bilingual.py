"""Commands, groups and arguments whose help is in English and in Chinese.

The docstring of a command is one English paragraph and one Chinese one. The help of an option or
an argument is written `"English. / 中文。"`. Each language gets lines of its own, wrapped by the
width of Chinese characters, because click would wrap a Chinese text as one long word.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from exchange.commands.columns import wrap

HELP_OPTION = "Show this help and exit. / 显示本帮助并退出。"
VERSION_OPTION = "Show the version and exit. / 显示版本并退出。"

_NAMES_WIDTH_MAX = 28
_EXTRA = re.compile(r"(.*?)((?:  \[[^\]]*\])?)", re.DOTALL)

Function = Callable[..., Any]


class Argument(click.Argument):
    """An argument with a help text, which the command's help lists above the options."""

    def __init__(self, *declarations: Any, help_text: str, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.help_text = help_text


def argument(name: str, help: str, **attributes: Any) -> Callable[[Function], Function]:
    """The decorator that adds an argument with a help text to a command."""

    def add(function: Function) -> Function:
        # Made anew for each command: click 8.1 forgets `cls` after a decorator's first use.
        return click.argument(name, cls=Argument, help_text=help, **attributes)(function)

    return add


class BilingualCommand(click.Command):
    """A command whose help is in both languages."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The `--help` option, with a text in both languages."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = HELP_OPTION
        return option

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the English and the Chinese description."""
        formatter.write_paragraph()
        for text in help_lines(self):
            for line in wrap(text, formatter.width - 2):
                formatter.write(f"  {line}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section with the arguments and one with the options."""
        arguments: list[tuple[str, Sequence[str]]] = []
        options: list[tuple[str, Sequence[str]]] = []
        for parameter in self.get_params(ctx):
            if isinstance(parameter, Argument):
                texts = parameter_texts(parameter.help_text)
                arguments.append((parameter.human_readable_name, texts))
            elif record := parameter.get_help_record(ctx):
                options.append((record[0], parameter_texts(record[1])))
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    _write_rows(formatter, rows)


class BilingualGroup(BilingualCommand, click.Group):
    """A group that lists its commands in the order in which they were added: that of a day."""

    command_class = BilingualCommand
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order in which they were added."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the name, the English and the Chinese description of each command."""
        with formatter.section("Commands"):
            _write_rows(
                formatter,
                [(name, help_lines(self.commands[name])) for name in self.list_commands(ctx)],
            )


def help_lines(command: click.Command) -> tuple[str, str]:
    """The English and the Chinese description of a command, each in one line."""
    english, _, chinese = (command.help or "").partition("\n\n")
    return " ".join(english.split()), " ".join(chinese.split())


def parameter_texts(help_text: str) -> tuple[str, str]:
    """The English and the Chinese help of a parameter, both with the default that click appends.

    >>> parameter_texts("The side. / 方向。  [default: buy; required]")
    ('The side.  [default: buy; required]', '方向。  [默认: buy; 必填]')
    """
    found = _EXTRA.fullmatch(help_text)
    assert found is not None
    text, extra = found.groups()
    english, _, chinese = text.partition(" / ")
    translated = extra.replace("default: ", "默认: ").replace("required", "必填")
    return english + extra, chinese + (translated if translated != extra else "")


def _write_rows(formatter: click.HelpFormatter, rows: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write names in a first column and their texts, each on lines of its own, in a second."""
    rows = list(rows)
    names_width = min(max(len(name) for name, _ in rows), _NAMES_WIDTH_MAX) + 2
    left = formatter.current_indent
    width = formatter.width - left - names_width
    for name, texts in rows:
        lines = [line for text in texts for line in wrap(text, width)]
        firsts = [name] + [""] * (len(lines) - 1)
        if len(name) > names_width - 2:
            formatter.write(f"{'':{left}}{name}\n")
            firsts[0] = ""
        for first, line in zip(firsts, lines, strict=True):
            formatter.write(f"{'':{left}}{first:{names_width}}{line}\n")
