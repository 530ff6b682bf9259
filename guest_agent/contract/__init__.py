"""The words that the control plane and a guest share: standard library only.

Both sides import this package; nothing in it does I/O. A change here is a
change of the wire, so it is governed by ``messages.VERSION``.
"""
