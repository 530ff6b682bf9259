"""Writes the configuration of every service, as ``README.md`` of this folder explains."""

from __future__ import annotations

import getpass
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from tests.devcloud.layout import (
    AUTH,
    COMPUTES,
    GLANCE,
    MEMCACHED,
    PASSWORD,
    PROJECTS,
    RABBIT,
    REGION,
    SECOND_REGION,
    SWIFT,
    SWIFT_STORES,
    Layout,
    image_id,
)
from tests.support.versions import IMAGES

Sections = Mapping[str, Mapping[str, object]]
_TOKENS = {
    "www_authenticate_uri": AUTH,
    "memcached_servers": f"127.0.0.1:{MEMCACHED}",
    "service_token_roles": "service",
    "service_token_roles_required": "true",
}


def write(layout: Layout) -> None:
    """Everything below ``etc``, and the folders that the services expect."""
    for name in ("log", "lock", "volumes", "guests", "swift/sdb1", "swift/recon", "rabbit/log"):
        layout.folder(name)
    for name in ("glance/images", "glance/staging", "glance/tasks"):
        layout.folder(name)
    for name in ("keystone", "neutron", "cinder", "nova", *COMPUTES):
        layout.folder("state", name)
    for folder in (layout.run, layout.run / "volumes", layout.run / "guests"):
        folder.chmod(0o711)
    _keystone(layout)
    _placement(layout)
    _glance(layout)
    _nova(layout)
    _neutron(layout)
    _cinder(layout)
    _swift(layout)
    (layout.run / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{RABBIT}\n"
        "vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\n"
    )
    (layout.folder("rabbit") / "plugins").write_text("[].\n")
    _clouds(layout)
    paths = {image_id(n): ":".join(map(str, folders)) for n, folders in IMAGES.items()}
    (layout.run / "images.json").write_text(json.dumps(paths))


def _put(path: Path, sections: Sections) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
        for name, options in sections.items()
    ]
    path.write_text("\n".join(parts))


def _database(layout: Layout, name: str) -> dict[str, object]:
    socket = layout.database_socket
    url = f"mysql+pymysql://devcloud:{PASSWORD}@localhost/{name}?unix_socket={socket}&charset=utf8"
    return {"connection": url, "max_pool_size": 10, "max_overflow": 20}


def _login(user: str) -> dict[str, object]:
    return {
        "auth_type": "password",
        "auth_url": AUTH,
        "username": user,
        "password": PASSWORD,
        "project_name": "service",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": REGION,
    }


def _messaging(layout: Layout) -> dict[str, dict[str, object]]:
    return {
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_messaging_rabbit": {"rabbit_quorum_queue": "false"},
        "oslo_concurrency": {"lock_path": layout.run / "lock"},
    }


def _common() -> dict[str, object]:
    return {"transport_url": f"rabbit://guest:guest@127.0.0.1:{RABBIT}/", "my_ip": "127.0.0.1"}


def _keystone(layout: Layout) -> None:
    state = layout.run / "state" / "keystone"
    sections: Sections = {
        "DEFAULT": {"log_file": layout.log / "keystone.log"},
        "database": _database(layout, "keystone"),
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": state / "fernet"},
        "credential": {"key_repository": state / "cred"},
        "cache": {
            "enabled": "true",
            "backend": "dogpile.cache.memcached",
            "memcache_servers": f"127.0.0.1:{MEMCACHED}",
        },
    }
    _put(layout.etc / "keystone" / "keystone.conf", sections)


def _placement(layout: Layout) -> None:
    sections: Sections = {
        "DEFAULT": {"log_file": layout.log / "placement.log"},
        "placement_database": _database(layout, "placement"),
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": _login("placement") | _TOKENS,
    }
    _put(layout.etc / "placement" / "placement.conf", sections)


def _shipped(layout: Layout, service: str) -> Path:
    """The folder for *service*, with the files that its package ships."""
    folder = layout.etc / service
    shutil.copytree(layout.venv / "etc" / service, folder, dirs_exist_ok=True)
    return folder


def _glance(layout: Layout) -> None:
    folder = _shipped(layout, "glance")
    data = layout.run / "glance"
    sections: Sections = {
        "DEFAULT": {
            "log_file": layout.log / "glance.log",
            "enabled_backends": "store1:file",
            "bind_host": "127.0.0.1",
            "bind_port": GLANCE,
            "workers": 1,
        },
        "glance_store": {"default_backend": "store1"},
        "store1": {"filesystem_store_datadir": data / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": data / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": data / "tasks"},
        "database": _database(layout, "glance"),
        "paste_deploy": {
            "flavor": "keystone",
            "config_file": folder / "glance-api-paste.ini",
        },
        "keystone_authtoken": _login("glance") | _TOKENS,
        **_messaging(layout),
    }
    _put(folder / "glance-api.conf", sections)


def _nova(layout: Layout) -> None:
    folder = _shipped(layout, "nova")
    filters = (
        "AggregateInstanceExtraSpecsFilter,ComputeFilter,ComputeCapabilitiesFilter,"
        "ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,"
        "SameHostFilter,DifferentHostFilter"
    )
    sections = {
        "DEFAULT": _common()
        | {
            "log_dir": layout.log,
            "state_path": layout.run / "state" / "nova",
            "compute_driver": "guestproc.GuestProcDriver",
            "allow_resize_to_same_host": "true",
            "vif_plugging_is_fatal": "false",
            "vif_plugging_timeout": 0,
            "sync_power_state_interval": 10,
            "report_interval": 5,
            "service_down_time": 30,
        },
        "api_database": _database(layout, "nova_api"),
        "database": _database(layout, "nova"),
        "api": {"auth_strategy": "keystone"},
        "wsgi": {"api_paste_config": folder / "api-paste.ini"},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1},
        "filter_scheduler": {"enabled_filters": filters},
        "vnc": {"enabled": "false"},
        "keystone_authtoken": _login("nova") | _TOKENS,
        "placement": _login("nova"),
        "neutron": _login("nova"),
        "cinder": _login("nova") | {"catalog_info": "volumev3:cinderv3:publicURL"},
        "glance": _login("nova"),
        "service_user": _login("nova") | {"send_service_user_token": "true"},
        **_messaging(layout),
    }
    _put(folder / "nova.conf", sections)
    # nova-compute must not see a database.
    for name in ("api_database", "database"):
        del sections[name]
    _put(folder / "nova-compute.conf", sections)
    _put(folder / "api.conf", {"DEFAULT": {"log_file": layout.log / "nova-api.log"}})
    for host in COMPUTES:
        state = layout.folder("state", host)
        options = {"host": host, "state_path": state, "log_file": layout.log / f"{host}.log"}
        lock = {"lock_path": state / "lock"}
        _put(folder / f"{host}.conf", {"DEFAULT": options, "oslo_concurrency": lock})
        # Without it nova-compute refuses its second start.
        (state / "compute_id").write_text(f"{uuid.uuid5(uuid.NAMESPACE_DNS, host)}\n")


def _neutron(layout: Layout) -> None:
    folder = _shipped(layout, "neutron")
    sections: Sections = {
        "DEFAULT": {
            "transport_url": f"rabbit://guest:guest@127.0.0.1:{RABBIT}/",
            "bind_host": "127.0.0.1",
            "log_file": layout.log / "neutron.log",
            "state_path": layout.run / "state" / "neutron",
            "core_plugin": "ml2",
            "service_plugins": "router",
            "auth_strategy": "keystone",
            "dhcp_agent_notification": "false",
            "notify_nova_on_port_status_changes": "true",
            "notify_nova_on_port_data_changes": "true",
            "api_paste_config": folder / "api-paste.ini",
        },
        "database": _database(layout, "neutron"),
        "ml2": {
            "type_drivers": "local,flat,vlan",
            "tenant_network_types": "local",
            "mechanism_drivers": "guestproc",
            "extension_drivers": "port_security",
        },
        "securitygroup": {"enable_security_group": "true"},
        "keystone_authtoken": _login("neutron") | _TOKENS,
        "nova": _login("neutron"),
        "placement": _login("neutron"),
        **_messaging(layout),
    }
    _put(folder / "neutron.conf", sections)


def write_trove(layout: Layout) -> None:
    folder = _shipped(layout, "trove")
    sections: Sections = {
        "DEFAULT": {
            "transport_url": f"rabbit://guest:guest@127.0.0.1:{RABBIT}/",
            "log_file": layout.log / "trove.log",
            "api_paste_config": folder / "api-paste.ini",
            "trove_volume_support": "true",
            # No guest of Trove's runs, so nobody needs to wait for one.
            "agent_call_low_timeout": 1,
            "agent_call_high_timeout": 1,
            "enable_secure_rpc_messaging": "false",
        },
        "database": {"connection": _database(layout, "trove")["connection"]},
        "keystone_authtoken": _login("trove") | _TOKENS,
        "service_credentials": _login("trove"),
        **_messaging(layout),
    }
    _put(folder / "trove.conf", sections)


def _cinder(layout: Layout) -> None:
    folder = _shipped(layout, "cinder")
    state = layout.run / "state" / "cinder"
    sections: Sections = {
        "DEFAULT": _common()
        | {
            "log_dir": layout.log,
            "host": "cinder1",
            "state_path": state,
            "enabled_backends": "guestdir",
            "default_volume_type": "__DEFAULT__",
            "auth_strategy": "keystone",
            "resource_query_filters_file": folder / "resource_filters.json",
            "api_paste_config": folder / "api-paste.ini",
            "rootwrap_config": folder / "rootwrap.conf",
            "glance_api_servers": f"http://127.0.0.1:{GLANCE}",
            "report_interval": 5,
            "backend_stats_polling_interval": 5,
        },
        "guestdir": {
            "volume_driver": "devcloud_guest.cinder_driver.GuestDirDriver",
            "volume_backend_name": "guestdir",
            "guestdir_root": layout.run / "volumes",
        },
        "database": _database(layout, "cinder"),
        "coordination": {"backend_url": f"file://{state}/coord"},
        "keystone_authtoken": _login("cinder") | _TOKENS,
        "nova": _login("cinder"),
        "service_user": _login("cinder") | {"send_service_user_token": "true"},
        **_messaging(layout),
    }
    _put(folder / "cinder.conf", sections)


_PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl "
    "authtoken keystoneauth copy container-quotas account-quotas slo dlo versioned_writes "
    "symlink proxy-logging proxy-server"
)
_PLAIN_FILTERS = (
    "catch_errors gatekeeper healthcheck proxy-logging listing_formats bulk tempurl copy "
    "container-quotas account-quotas slo dlo versioned_writes symlink"
)


def _swift(layout: Layout) -> None:
    folder = layout.etc / "swift"
    cache = {"use": "egg:swift#memcache", "memcache_servers": f"127.0.0.1:{MEMCACHED}"}
    proxy = {"use": "egg:swift#proxy", "account_autocreate": "true"}
    suffix = {"swift_hash_path_suffix": "devcloud", "swift_hash_path_prefix": "devcloud"}
    _put(folder / "swift.conf", {"swift-hash": suffix})
    tokens = {k: v for k, v in _TOKENS.items() if not k.startswith("service_token")}
    sections: dict[str, Mapping[str, object]] = {
        "DEFAULT": _swift_common(layout, SWIFT),
        "pipeline:main": {"pipeline": _PIPELINE},
        "app:proxy-server": proxy,
        "filter:authtoken": {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            "delay_auth_decision": "true",
        }
        | _login("swift")
        | tokens,
        "filter:keystoneauth": {"use": "egg:swift#keystoneauth", "operator_roles": "admin,member"},
        "filter:cache": cache,
    }
    for name in _PLAIN_FILTERS.split():
        sections[f"filter:{name}"] = {"use": f"egg:swift#{name.replace('-', '_')}"}
    _put(folder / "proxy.conf", sections)
    recon = {"recon_cache_path": layout.run / "swift" / "recon"}
    extra: dict[str, dict[str, Mapping[str, object]]] = {
        "account": {},
        "container": {"container-updater": {"interval": 5, "slowdown": 0} | recon},
        "object": {"object-updater": {"interval": 5} | recon},
    }
    for name, port in SWIFT_STORES.items():
        store: Sections = {
            "DEFAULT": _swift_common(layout, port),
            "pipeline:main": {"pipeline": f"{name}-server"},
            f"app:{name}-server": {"use": f"egg:swift#{name}"},
            **extra[name],
        }
        _put(folder / f"{name}.conf", store)
    client = {
        "DEFAULT": {"swift_dir": folder},
        "pipeline:main": {"pipeline": "catch_errors cache proxy-server"},
        "app:proxy-server": proxy,
        "filter:cache": cache,
        "filter:catch_errors": {"use": "egg:swift#catch_errors"},
    }
    _put(folder / "internal-client.conf", client)
    internal = {"internal_client_conf_path": folder / "internal-client.conf"}
    expirer: Sections = {
        "DEFAULT": {"swift_dir": folder, "user": getpass.getuser()},
        "object-expirer": {"interval": 10} | recon | internal,
        "pipeline:main": {"pipeline": "cache proxy-server"},
        "app:proxy-server": {"use": "egg:swift#proxy"},
        "filter:cache": cache,
    }
    _put(folder / "expirer.conf", expirer)


def _swift_common(layout: Layout, port: int) -> dict[str, object]:
    return {
        "bind_ip": "127.0.0.1",
        "bind_port": port,
        "workers": 0,
        "user": getpass.getuser(),
        "swift_dir": layout.etc / "swift",
        "devices": layout.run / "swift",
        "mount_check": "false",
        "log_name": "swift",
        "log_level": "WARNING",
    }


def _clouds(layout: Layout) -> None:
    """``clouds.yaml`` (JSON is YAML), with logins for an administrator and for members."""
    people, tests = PROJECTS
    logins = {
        "devcloud": (people, people),
        "devcloud-tests": (tests, tests),
        "devcloud-admin": ("admin", "admin"),
    }
    clouds = {
        name: {
            "auth": {
                "auth_url": AUTH,
                "username": user,
                "password": PASSWORD,
                "project_name": project,
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            "regions": [REGION, SECOND_REGION],
            "region_name": REGION,
            "identity_api_version": 3,
        }
        for name, (user, project) in logins.items()
    }
    layout.clouds.write_text(json.dumps({"clouds": clouds}, indent=2) + "\n")
    layout.clouds.chmod(0o600)
