"""`python -m arawn.cli`: the command line, for where the script `arawn` is not on the path."""

from arawn.cli import main

main()
