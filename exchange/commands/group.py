"""A group of commands whose help lists each in one English and one Chinese line."""

import click


class BilingualGroup(click.Group):
    """Lists its commands in the order in which they were added: that of a day."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names as added."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write name, English line and Chinese line of each command."""
        width = max(len(name) for name in self.commands)
        with formatter.section("Commands"):
            for name in self.list_commands(ctx):
                english, chinese = help_lines(self.commands[name])
                formatter.write(f"  {name:<{width}}  {english}\n  {'':<{width}}  {chinese}\n")


def help_lines(command: click.Command) -> tuple[str, str]:
    """The English and the Chinese line of a command's help; every command has both."""
    english, _, chinese = (command.help or "").partition("\n\n")
    return " ".join(english.split()), "".join(chinese.split())
