"""Our private PostgreSQL: the wheel's programs, run as our own child.

The server starts one per state directory; tests start their own.
"""

from windlass.storage.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
