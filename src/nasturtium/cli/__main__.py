"""``python -m nasturtium.cli`` is the command ``nasturtium``."""

from nasturtium.cli import main

main()
