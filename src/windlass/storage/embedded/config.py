"""The configuration of the private PostgreSQL, written anew at every start.

Called by the embedded server. An operator's own changes go through ALTER SYSTEM, which wins.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from windlass.storage.embedded.identity import Host

DATABASE = "windlass"
ROLE = "windlass"
ADMIN = "postgres"

_SERVER = """\
# Written by Windlass at every start; change settings with ALTER SYSTEM.
cluster_name = 'windlass'
listen_addresses = ''
unix_socket_directories = '{runtime}'
unix_socket_permissions = 0700
port = 5432
max_connections = 400
timezone = 'UTC'

# Two cores and little idle memory.
shared_buffers = 64MB
huge_pages = off
work_mem = 8MB
maintenance_work_mem = 64MB
effective_cache_size = 512MB
random_page_cost = 1.1
jit = off
max_worker_processes = 4
max_parallel_workers = 0
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
max_logical_replication_workers = 0
# Not /dev/shm: containers give it 64 MB and systemd empties it when its user logs out.
dynamic_shared_memory_type = mmap

# Durable, one machine, no replicas.
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = minimal
max_wal_senders = 0
wal_buffers = 4MB
min_wal_size = 64MB
max_wal_size = 1GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9

# A queue makes dead rows all day: vacuum small and often. A look costs 10 ms per database.
autovacuum_naptime = 30s
autovacuum_max_workers = 2
autovacuum_vacuum_threshold = 500
autovacuum_vacuum_scale_factor = 0.05
autovacuum_vacuum_insert_scale_factor = 0.1
autovacuum_analyze_threshold = 500
autovacuum_analyze_scale_factor = 0.05
autovacuum_vacuum_cost_limit = 1000

# A process that is stopped or gone must not hold locks.
idle_in_transaction_session_timeout = 60s
client_connection_check_interval = 2s

# No values of rows in the log: they may be secrets.
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] '
log_timezone = 'UTC'
log_error_verbosity = terse
log_checkpoints = off
log_autovacuum_min_duration = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_lock_waits = on
"""

_SINCE_18 = """
# Its helper processes for reading cost memory and buy nothing at this size.
io_method = sync
"""

_ON_LINUX = """
# After a crash, one call for the whole filesystem instead of one for each of a thousand files: that
# took seconds of every restart.
recovery_init_sync_method = syncfs
"""

_HBA = f"local all {ROLE},{ADMIN} peer map=windlass\n"


def initdb_arguments(major: int) -> list[str]:
    """What makes a cluster whose order of text no update of the system can change."""
    common = [
        f"--username={ADMIN}",
        "--encoding=UTF8",
        "--locale=C",
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=reject",
        "--no-instructions",
    ]
    unicode_rules = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return common + (unicode_rules if major >= 17 else [])


def write(cluster: Path, host: Host) -> None:
    """Replaces the cluster's configuration files."""
    server = _SERVER.format(runtime=str(host.runtime).replace("'", "''"))
    if host.binaries.major >= 18:
        server += _SINCE_18
    if sys.platform == "linux":
        server += _ON_LINUX
    peers = "".join(f"windlass {host.identity.peer} {role}\n" for role in (ROLE, ADMIN))
    texts = {"postgresql.conf": server, "pg_hba.conf": _HBA, "pg_ident.conf": peers}
    for name, text in texts.items():
        fresh = cluster / f"{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        if host.identity.owner != os.geteuid():
            os.chown(fresh, host.identity.owner, host.identity.group)
        fresh.replace(cluster / name)
