"""Writes a datastore's ``parameters.yaml`` as the installed server describes itself.

    python scripts/describe_parameters.py mariadb|postgresql

MariaDB and PostgreSQL tell bounds, defaults and whether a parameter can change
while they run. Redis tells neither bounds nor types: its file is kept by hand
from the server's own table of parameters, and a test tries every bound.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from guest_agent.datastores.driver import Place
from guest_agent.datastores.mariadb.driver import MariaDB
from guest_agent.datastores.postgresql.driver import PostgreSQL

ROOT = Path(__file__).resolve().parent.parent
Parameter = dict[str, Any]

_MARIADB_GUEST = set(
    "basedir bind_address datadir port socket pid_file tmpdir plugin_dir init_file init_connect"
    " general_log_file slow_query_log_file log_error log_output secure_file_priv server_id"
    " skip_networking skip_name_resolve read_only lower_case_table_names lc_messages_dir"
    " character_sets_dir ignore_db_dirs local_infile old_passwords skip_grant_tables"
    " require_secure_transport report_host report_port report_user report_password"
    " proxy_protocol_networks tls_version encrypt_binlog expire_logs_days"
    " binlog_expire_logs_seconds sync_binlog event_scheduler user"
    " default_authentication_plugin strict_password_validation automatic_sp_privileges".split()
)
_MARIADB_GUEST_PREFIXES = tuple(
    "log_bin binlog_ gtid_ relay_log replicate_ rpl_ slave_ master_ wsrep_ ssl_ innodb_data_"
    " innodb_log_group innodb_undo_dir innodb_temp_data innodb_tmpdir innodb_encrypt"
    " innodb_read_only innodb_force_recovery aria_log_dir plugin_ debug_ feedback_"
    " innodb_buffer_pool_filename innodb_ft_ innodb_buffer_pool_load innodb_buffer_pool_dump_now"
    " system_versioning innodb_disallow innodb_fil_ version".split()
)
_MARIADB_BYTES = ("size", "buffer", "packet", "memory", "length", "_limit", "stack", "threshold")
_POSTGRESQL_GUEST = set(
    "data_directory hba_file ident_file external_pid_file listen_addresses port"
    " unix_socket_directories unix_socket_group unix_socket_permissions wal_level archive_mode"
    " archive_command archive_timeout archive_library archive_cleanup_command restore_command"
    " log_destination logging_collector log_directory log_filename log_file_mode config_file"
    " update_process_title primary_conninfo primary_slot_name recovery_end_command"
    " shared_preload_libraries local_preload_libraries session_preload_libraries"
    " dynamic_library_path event_source syslog_facility syslog_ident"
    " stats_temp_directory data_sync_retry allow_system_table_mods zero_damaged_pages"
    " ignore_system_indexes ignore_checksum_failure ignore_invalid_pages jit_provider"
    " cluster_name promote_trigger_file".split()
)
_POSTGRESQL_GUEST_PREFIXES = ("ssl", "krb_", "recovery_target", "debug_discard", "trace_", "lc_")
_POSTGRESQL_GONE = (
    ("checkpoint_segments", "9.5", "max_wal_size"),
    ("wal_keep_segments", "13", "wal_keep_size"),
    ("default_with_oids", "12", ""),
    ("sql_inheritance", "10", ""),
    ("max_locks_per_transactions", "9.0", "max_locks_per_transaction"),
)
_POSTGRESQL_KINDS = {
    "bool": "boolean", "integer": "integer", "real": "float", "enum": "enum", "string": "string"
}  # fmt: skip


def mariadb(server: MariaDB) -> Iterator[Parameter]:
    query = (
        "SELECT VARIABLE_NAME, DEFAULT_VALUE, VARIABLE_TYPE, NUMERIC_MIN_VALUE, NUMERIC_MAX_VALUE,"
        " NUMERIC_BLOCK_SIZE, ENUM_VALUE_LIST, READ_ONLY FROM information_schema.SYSTEM_VARIABLES"
        " WHERE VARIABLE_SCOPE <> 'SESSION ONLY' AND COMMAND_LINE_ARGUMENT IS NOT NULL"
        " AND DEFAULT_VALUE IS NOT NULL ORDER BY 1"
    )
    for name, default, kind, low, high, block, values, read_only in server._session().rows(query):
        name = str(name).lower()
        parameter: Parameter = {
            "name": name,
            "type": _mariadb_type(kind),
            "default": _portable(default),
        }
        if parameter["type"] in ("integer", "float"):
            number = float if parameter["type"] == "float" else int
            parameter |= {"min": number(low), "max": number(high)}
            if int(block or 1) > 1:
                parameter["multipleOf"] = int(block)
            if parameter["type"] == "integer" and any(word in name for word in _MARIADB_BYTES):
                parameter["unit"] = "B"
        if values:
            parameter["values"] = str(values).split(",")
        if read_only == "YES":
            parameter["apply"] = "restart"
        if name in _MARIADB_GUEST or name.startswith(_MARIADB_GUEST_PREFIXES):
            parameter["control"] = "guest"
        yield parameter


def _portable(default: object) -> str:
    """The default, unless it is a path of the scratch server that was asked."""
    return "" if tempfile.gettempdir() in str(default) else str(default)


def _mariadb_type(kind: str) -> str:
    if kind in ("BOOLEAN", "ENUM", "SET", "FLAGSET"):
        return "set" if kind == "FLAGSET" else kind.lower()
    return "float" if kind == "DOUBLE" else "integer" if "INT" in kind else "string"


def postgresql(server: PostgreSQL) -> Iterator[Parameter]:
    query = (
        "SELECT name, boot_val, vartype, min_val, max_val, enumvals, unit, context"
        " FROM pg_settings WHERE context <> 'internal' AND name NOT LIKE '%.%' ORDER BY 1"
    )
    for name, default, kind, low, high, values, unit, context in server._session().rows(query):
        parameter: Parameter = {"name": name, "type": _POSTGRESQL_KINDS[kind]}
        parameter["default"] = default or ""
        if low is not None:
            number = int if kind == "integer" else float
            parameter |= {"min": number(low), "max": number(high)}
        if values:
            parameter["values"] = values
        if unit:
            parameter["unit"] = unit
        if context == "postmaster":
            parameter["apply"] = "restart"
        if name.lower() in _POSTGRESQL_GUEST or name.startswith(_POSTGRESQL_GUEST_PREFIXES):
            parameter["control"] = "guest"
        yield parameter
    for name, until, successor in _POSTGRESQL_GONE:
        gone = {"name": name, "type": "string", "default": "", "until": until}
        yield gone | ({"replacedBy": successor} if successor else {})


def describe(name: str) -> tuple[str, list[Parameter]]:
    """Start a bare server of this kind in a scratch folder and ask it. Takes seconds.

    Its version, and its parameters.
    """
    build, listing, user, port = _KINDS[name]
    with tempfile.TemporaryDirectory(prefix="gitrove-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o711)
        for part in ("volume", "local"):
            (folder / part).mkdir(mode=0o711)
        place = Place(
            "describe", "127.0.0.91", port, folder / "volume", folder / "local", "describe", user()
        )
        server = build(place)
        server.files.write_base(server.render(512))
        server.files.write_overrides({})
        server.initialise()
        server.start()
        try:
            return server.version(), list(listing(server))
        finally:
            server.stop()


_HEAD = "# Written by scripts/describe_parameters.py of"


def _owner(name: str) -> Callable[[], str]:
    return lambda: name if os.geteuid() == 0 else ""


_KINDS: dict[str, Any] = {
    "mariadb": (MariaDB, mariadb, _owner("mysql"), 33306),
    "postgresql": (PostgreSQL, postgresql, _owner("postgres"), 35432),
}


def main(name: str) -> None:
    version, parameters = describe(name)
    lines = [f"- {json.dumps(parameter)}\n" for parameter in parameters]
    path_of(name).write_text(f"{_HEAD} {name} {version}\n" + "".join(lines))


def path_of(name: str) -> Path:
    return ROOT / "guest_agent" / "datastores" / name / "parameters.yaml"


def described(name: str) -> str:
    """The version of the server that the file was written from."""
    with path_of(name).open() as file:
        return file.readline().split()[-1]


if __name__ == "__main__":
    main(sys.argv[1])
