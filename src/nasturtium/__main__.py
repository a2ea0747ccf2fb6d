"""``python -m nasturtium`` is the command ``nasturtium``."""

from nasturtium.cli import main

main()
