"""Cinder driver: a volume is a directory. Data really survives detach/attach.

A root disk's has, in ``.image``, the id of the image that was written to it.
"""

import shutil
from pathlib import Path

from cinder.volume import driver
from oslo_config import cfg

opts = [cfg.StrOpt("guestdir_root")]
cfg.CONF.register_opts(opts, group="backend_defaults")


class GuestDirDriver(driver.VolumeDriver):
    VERSION = "1.0"

    def __init__(self, *a, **kw):
        super().__init__(*a, **kw)
        self.configuration.append_config_values(opts)
        self.root = self.configuration.guestdir_root

    def _p(self, obj):
        return Path(self.root) / obj.id

    def do_setup(self, context):
        Path(self.root).mkdir(exist_ok=True)

    def check_for_setup_error(self):
        if not Path(self.root).is_dir():
            raise RuntimeError(self.root)

    def _size(self, path, gb):
        (path / ".size_gb").write_text(str(gb))

    def create_volume(self, volume):
        self._p(volume).mkdir(exist_ok=True)
        self._size(self._p(volume), volume.size)

    def delete_volume(self, volume):
        shutil.rmtree(self._p(volume), ignore_errors=True)

    def create_snapshot(self, snapshot):
        shutil.copytree(Path(self.root) / snapshot.volume_id, self._p(snapshot), symlinks=True)

    def delete_snapshot(self, snapshot):
        shutil.rmtree(self._p(snapshot), ignore_errors=True)

    def create_volume_from_snapshot(self, volume, snapshot):
        shutil.copytree(self._p(snapshot), self._p(volume), symlinks=True)
        self._size(self._p(volume), volume.size)

    def create_cloned_volume(self, volume, src_vref):
        shutil.copytree(self._p(src_vref), self._p(volume), symlinks=True)
        self._size(self._p(volume), volume.size)

    def extend_volume(self, volume, new_size):
        self._size(self._p(volume), new_size)

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        self.create_volume(volume)
        (self._p(volume) / ".image").write_text(image_meta["id"])
        return {}, True

    def copy_image_to_volume(self, context, volume, image_service, image_id, *a, **kw):
        shutil.rmtree(self._p(volume))
        self.create_volume(volume)
        (self._p(volume) / ".image").write_text(image_id)

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector, **kw):
        return {
            "driver_volume_type": "guestdir",
            "data": {"path": str(self._p(volume)), "size_gb": volume.size, "access_mode": "rw"},
        }

    def terminate_connection(self, volume, connector, **kw):
        pass

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": self.configuration.safe_get("volume_backend_name") or "guestdir",
            "vendor_name": "devcloud",
            "driver_version": self.VERSION,
            "storage_protocol": "guestdir",
            "total_capacity_gb": 10000,
            "free_capacity_gb": 10000,
            "reserved_percentage": 0,
            "QoS_support": False,
            "multiattach": False,
        }

    def get_volume_stats(self, refresh=False):
        if refresh or not getattr(self, "_stats", None):
            self._update_volume_stats()
        return self._stats
