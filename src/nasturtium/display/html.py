"""HTML rendered from the package's templates, with every text escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]


def render(package: str, template: str, **values: object) -> str:
    """Render a template of a package with some values.

    Texts are escaped, except those that are :class:`markupsafe.Markup`. A name that the template
    uses and that is not given is an error.

    Args:
        package: the package whose folder ``templates`` has the template.
        template: the file's name.
        **values: what the template shows.

    Example:
        >>> render("nasturtium.display", "notebook_lines.html.jinja", title="<net>", texts=["a=1"])
        '<p><b>&lt;net&gt;</b><br>a=1</p>'
    """
    return _environment(package).get_template(template).render(values)


@cache
def _environment(package: str) -> Environment:
    """Return the strict environment that compiles the templates of a package once."""
    # Imported when first used: most programs show no HTML.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
