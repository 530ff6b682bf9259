"""One folder a datastore: its definition (data), hints (pure) and driver (guest only).

Third parties add one through the entry-point group ``gitrove.datastores``,
whose names are managers and whose values are packages laid out like these.
"""
