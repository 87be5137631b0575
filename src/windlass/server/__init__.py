"""The composition root: settings in, a running server out.

`serve` is called by the command line. A supervisor forks one keeper (database), one API process
and the workers from a parent that has loaded everything once; see supervisor.py.
"""

from windlass.server.start import serve

__all__ = ["serve"]
