"""A command whose renamed options are refused with their new names."""

from __future__ import annotations

from typing import Any, final

from typer.core import TyperCommand

from nasturtium import renamed
from nasturtium.errors import NasturtiumError

__all__ = ["Command"]


@final
class Command(TyperCommand):
    """A command that names the new option if an old one is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            NasturtiumError: an option was renamed.
        """
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # typer's own class of it depends on typer's version
            message = renamed.option(getattr(error, "option_name", None) or "")
            if message is None:
                raise
            raise NasturtiumError(message) from error
