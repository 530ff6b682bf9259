"""The program that runs on each instance; installs alone (see its ``pyproject.toml``).

``agent`` serves sealed requests with the driver of one of the ``datastores``,
which build on the ``toolkit``; ``contract`` is what both sides agree on.
"""

__version__ = "0.1.0"
