"""The command line. Importing this loads click and nothing else; each command loads what it needs when it is used."""

from arawn.cli.running import main as main
