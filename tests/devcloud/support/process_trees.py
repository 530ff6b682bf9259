"""Ends a server with everything that it started."""

import contextlib

import psutil

_SECONDS = 20.0


def kill(server):
    """Kill -9 the tree of a ``ServerProcess``, and wait until it is gone."""
    found = server.find()
    if found is None:
        return
    tree = [found, *found.children(recursive=True)]
    for each in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(tree, _SECONDS)
