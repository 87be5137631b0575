"""The command line. Turns arguments into calls and errors into exit statuses.

`main` is the installed command. Imports stay inside commands: `windlass --help` loads none of
the server.
"""

from windlass.cli.commands import main

__all__ = ["main"]
