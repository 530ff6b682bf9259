"""``heat_validation.py < TEMPLATE``: what Heat's own library says of a template.

Run by the Python that has Heat. Prints the type of each resource; ends with an
error for a property that its type does not have, or a value that it refuses.
"""

import sys

import yaml
from heat.common import context, policy
from heat.engine import environment, resources
from heat.engine import stack as stacks
from heat.engine import template as templates
from oslo_config import cfg

cfg.CONF([], project="heat", default_config_files=[])
policy.get_enforcer()
resources.initialise()
text = yaml.safe_load(sys.stdin)
hidden = dict.fromkeys(text["parameters"], "value")
environ = environment.Environment({"parameters": hidden})
template = templates.Template(text, env=environ)
template.validate()
stack = stacks.Stack(
    context.RequestContext(is_admin=False), "test", template, strict_validate=False
)
stack.parameters.validate(validate_value=True)
for name, resource in sorted(stack.resources.items()):
    resource.properties.validate(with_value=False)
    for each in stack.dependencies.requires(resource):
        assert each.name in stack.resources
    print(name, resource.type())
