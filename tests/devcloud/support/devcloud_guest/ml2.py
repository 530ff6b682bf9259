"""ML2 mechanism driver that binds any port on any host, without an agent."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class GuestProcMechanismDriver(api.MechanismDriver):
    def initialize(self):
        pass

    def bind_port(self, context):
        seg = context.segments_to_bind[0]
        context.set_binding(
            seg[api.ID],
            portbindings.VIF_TYPE_OTHER,
            {portbindings.CAP_PORT_FILTER: False},
            status=constants.PORT_STATUS_ACTIVE,
        )
