"""``nasturtium spaces`` and ``nasturtium describe``, which write nothing but a picture."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import typer

from nasturtium.cli import options
from nasturtium.cli.output import print_rows, print_table
from nasturtium.errors import StoreError
from nasturtium.study.stores.redact import redact

__all__ = ["describe", "spaces"]


def spaces(as_json: options.Json = False) -> None:
    """List the search spaces that come with nasturtium."""
    from nasturtium.cli.description import list_spaces

    listed = list_spaces()
    if as_json:
        typer.echo(json.dumps(listed))
        return
    print_table(["space", "architectures", "what it is"], [list(row.values()) for row in listed])


def describe(
    what: options.Described,
    command: options.AsCommand = False,
    svg: options.Svg = None,
    inputs: options.Inputs = None,
    classes: options.Classes = None,
    trust: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Describe a space (size, paper, decisions, an example drawn) or how a study was made."""
    from nasturtium.cli.description import describe_space, describe_study, is_study, parse_shape
    from nasturtium.run.command_line import command_line
    from nasturtium.run.open_study import read_manifest
    from nasturtium.run.store_address import find_store, split_address

    if not command and not is_study(what):
        body: Mapping[str, Any] = describe_space(
            what,
            complete=as_json,
            svg=svg,
            inputs=None if inputs is None else parse_shape(inputs),
            classes=classes,
        )
    elif inputs is not None or classes is not None:
        raise StoreError(f"--inputs and --classes are for spaces, and {redact(what)!r} is a study")
    elif svg is not None:
        raise StoreError(
            f"--svg draws the example of a space, and {redact(what)!r} is a study; "
            f"nasturtium report {shlex.quote(redact(what))} draws its best network in a page"
        )
    else:
        manifest = read_manifest(*find_store(what, read_only=True))
        if command:
            typer.echo(command_line(manifest, split_address(what)[0], trust=trust))
            return
        body = manifest if as_json else describe_study(manifest)
    if as_json:
        typer.echo(json.dumps(body))
        return
    rows = []
    for key, value in body.items():
        texts = value if isinstance(value, list) else [str(value)] if value else []
        rows += [("" if place else key, text) for place, text in enumerate(texts)]
    print_rows(rows, folded=True)
