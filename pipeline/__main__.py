"""Runs the command line as `python -m pipeline`."""

from pipeline import cli

cli.app()
