"""The loop that never sleeps: what differs is found, held or changed, and told."""
