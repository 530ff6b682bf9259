"""Out-of-tree Nova virt driver: a server is a tree of processes on this machine.

Loaded as nova.virt.guestproc.GuestProcDriver: Nova puts ``nova.virt.`` before the
name of a driver, and nova_compute.py this folder on the path of that package. A
guest's record is GUESTS/<uuid>/guest.json; what runs in it is started by
``guest_boot.py``, which reads the config drive as cloud-init does.
"""

import json
import os
import shutil
import sys
import uuid
from pathlib import Path

import process_trees
from nova import exception
from nova.api.metadata import base as instance_metadata
from nova.compute import power_state
from nova.virt import fake, hardware
from oslo_log import log as logging

sys.path.insert(0, os.environ["DEVCLOUD_ROOT"])
from guest_agent.toolkit.processes import ServerProcess, wait_until

LOG = logging.getLogger(__name__)
GUESTS = Path(os.environ["DEVCLOUD_GUESTS"])
BOOT = [os.environ["DEVCLOUD_GUEST_PYTHON"], str(Path(__file__).parents[1] / "guest_boot.py")]


def node_uuid(name):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


class Guest:
    """One server's folder, record and processes."""

    def __init__(self, server):
        self.folder = GUESTS / server
        self._record = self.folder / "guest.json"
        self._process = ServerProcess(self.folder / "guest.process", self.folder / "console.log")

    def load(self):
        try:
            return json.loads(self._record.read_text())
        except (OSError, ValueError):
            return None

    def save(self, told):
        scratch = self._record.with_suffix(".new")
        scratch.write_text(json.dumps(told, indent=1))
        scratch.replace(self._record)

    def running(self):
        return self._process.running()

    def start(self):
        self._process.start([*BOOT, str(self.folder)])

    def power_off(self, seconds):
        """Press the power button, and pull the plug when that does not help."""
        boot = self._process.find()
        if boot is None:
            return
        if seconds:
            boot.terminate()
            wait_until(lambda: not self.running(), seconds)
        self.power_cut()

    def power_cut(self):
        process_trees.kill(self._process)

    def link(self, volume, path):
        link = self.folder / "volumes" / volume
        link.parent.mkdir(exist_ok=True)
        link.parent.chmod(0o711)
        if not link.is_symlink():
            link.symlink_to(path)

    def boot_from(self, volume):
        """Have the root disk on *volume*; the id of the image that was written to it."""
        root = self.folder / "root"
        if not root.is_symlink():
            (volume / "root").mkdir(mode=0o711, exist_ok=True)
            root.symlink_to(volume / "root")
        return (volume / ".image").read_text()


class GuestProcDriver(fake.FakeDriver):
    capabilities = dict(fake.FakeDriver.capabilities, supports_migrate_to_same_host=True)
    vcpus, memory_mb, local_gb = 1024, 1024 * 1024, 20000

    def init_host(self, host):
        self._host = host
        self._set_nodes([host])
        GUESTS.mkdir(exist_ok=True)
        for folder in GUESTS.iterdir():
            told = Guest(folder.name).load()
            if told and told["host"] == host:
                self.instances[folder.name] = fake.FakeInstance(
                    told["name"], power_state.RUNNING, folder.name
                )

    def get_available_resource(self, nodename):
        return super().get_available_resource(nodename) | {"uuid": node_uuid(nodename)}

    def get_nodenames_by_uuid(self, refresh=False):
        return {node_uuid(name): name for name in self.get_available_nodes()}

    # -- what a guest sees ----------------------------------------------------

    def _define(self, instance, network_info, block_device_info, files=None, password=None):
        guest = Guest(instance.uuid)
        guest.folder.mkdir(mode=0o711, exist_ok=True)
        guest.folder.chmod(0o711)
        shutil.rmtree(guest.folder / "volumes", ignore_errors=True)
        mapping = (block_device_info or {}).get("block_device_mapping", [])
        volumes = {_volume(each["connection_info"]): each["mount_device"] for each in mapping}
        image = instance.image_ref
        for each in mapping:
            info = each["connection_info"]
            guest.link(_volume(info), info["data"]["path"])
            if each["boot_index"] == 0:
                image = guest.boot_from(Path(info["data"]["path"]))
        (guest.folder / "root").mkdir(mode=0o711, exist_ok=True)
        guest.save(
            {
                "name": instance.name,
                "host": self._host,
                "image": image,
                "flavor": instance.flavor.name,
                "volumes": volumes,
            }
        )
        self._write_config_drive(guest, instance, network_info, files, password)

    def _write_config_drive(self, guest, instance, network_info, files, password):
        drive = guest.folder / "config-drive"
        shutil.rmtree(drive, ignore_errors=True)
        drive.mkdir(mode=0o700)
        metadata = instance_metadata.InstanceMetadata(
            instance,
            content=files,
            network_info=network_info,
            extra_md={"admin_pass": password} if password else {},
        )
        for name, data in metadata.metadata_for_config_drive():
            path = drive / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())

    # -- the driver's interface -----------------------------------------------

    def spawn(
        self, context, instance, image_meta, injected_files, admin_password, allocations,
        network_info=None, block_device_info=None, power_on=True, accel_info=None,
    ):  # fmt: skip
        self._define(instance, network_info, block_device_info, injected_files, admin_password)
        super().spawn(
            context, instance, image_meta, injected_files, admin_password, allocations,
            network_info, block_device_info, power_on,
        )  # fmt: skip
        if power_on:
            Guest(instance.uuid).start()

    def destroy(
        self, context, instance, network_info, block_device_info=None, destroy_disks=True,
        destroy_secrets=True,
    ):  # fmt: skip
        guest = Guest(instance.uuid)
        told = guest.load()
        if told and told["host"] == self._host:
            guest.power_cut()
            if destroy_disks:
                shutil.rmtree(guest.folder, ignore_errors=True)
        for interface in network_info or []:
            self._interfaces.pop(interface["id"], None)
        if instance.uuid in self.instances:
            super().destroy(
                context, instance, network_info, block_device_info, destroy_disks, destroy_secrets
            )

    def power_off(self, instance, timeout=0, retry_interval=0):
        Guest(instance.uuid).power_off(timeout)
        super().power_off(instance, timeout, retry_interval)

    def power_on(
        self, context, instance, network_info, block_device_info=None, accel_info=None,
        share_info=None,
    ):  # fmt: skip
        self._define(instance, network_info, block_device_info)
        self.instances.setdefault(
            instance.uuid, fake.FakeInstance(instance.name, power_state.RUNNING, instance.uuid)
        )
        Guest(instance.uuid).start()
        super().power_on(context, instance, network_info, block_device_info)

    def reboot(
        self, context, instance, network_info, reboot_type, block_device_info=None,
        bad_volumes_callback=None, accel_info=None, share_info=None,
    ):  # fmt: skip
        Guest(instance.uuid).power_off(30 if reboot_type == "SOFT" else 0)
        self.power_on(context, instance, network_info, block_device_info)

    def get_info(self, instance, use_cache=True):
        guest = Guest(instance.uuid)
        if instance.uuid not in self.instances or not guest.load():
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        on = guest.running()
        return hardware.InstanceInfo(state=power_state.RUNNING if on else power_state.SHUTDOWN)

    def migrate_disk_and_power_off(
        self, context, instance, dest, flavor, network_info, block_device_info=None, timeout=0,
        retry_interval=0,
    ):  # fmt: skip
        Guest(instance.uuid).power_off(timeout)
        return "{}"

    def finish_migration(
        self, context, migration, instance, disk_info, network_info, image_meta, resize_instance,
        allocations, block_device_info=None, power_on=True, share_info=None,
    ):  # fmt: skip
        self.spawn(
            context, instance, image_meta, None, None, allocations, network_info,
            block_device_info, power_on,
        )  # fmt: skip

    def finish_revert_migration(
        self, context, instance, network_info, migration, block_device_info=None, power_on=True,
        share_info=None,
    ):  # fmt: skip
        Guest(instance.uuid).power_cut()
        self._define(instance, network_info, block_device_info)
        super().finish_revert_migration(
            context, instance, network_info, migration, block_device_info, power_on
        )
        if power_on:
            Guest(instance.uuid).start()

    def attach_volume(
        self, context, connection_info, instance, mountpoint, disk_bus=None, device_type=None,
        encryption=None,
    ):  # fmt: skip
        guest = Guest(instance.uuid)
        told = guest.load()
        if told:
            guest.link(_volume(connection_info), connection_info["data"]["path"])
            told["volumes"][_volume(connection_info)] = mountpoint
            guest.save(told)
        super().attach_volume(context, connection_info, instance, mountpoint)

    def detach_volume(self, context, connection_info, instance, mountpoint, encryption=None):
        guest = Guest(instance.uuid)
        told = guest.load()
        volume = _volume(connection_info)
        if told and volume in told["volumes"]:
            del told["volumes"][volume]
            guest.save(told)
            (guest.folder / "volumes" / volume).unlink(missing_ok=True)
        super().detach_volume(context, connection_info, instance, mountpoint)

    def extend_volume(self, context, connection_info, instance, requested_size):
        """Nothing to do: a folder has no size."""

    def get_console_output(self, context, instance):
        return (Guest(instance.uuid).folder / "console.log").read_bytes()[-65536:]


def _volume(connection_info):
    return connection_info.get("serial") or connection_info["data"].get("volume_id")
