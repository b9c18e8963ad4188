"""`python -m qdrantctl`."""

from qdrantctl.cli.main import main

main()
