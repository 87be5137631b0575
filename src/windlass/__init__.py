"""Windlass hauls data off the web and lands it where it is wanted."""

__version__ = "0.1.0"
