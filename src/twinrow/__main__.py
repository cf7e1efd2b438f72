"""`python -m twinrow` is the command line."""

from twinrow.cli import main

main()
