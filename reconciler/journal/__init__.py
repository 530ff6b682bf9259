"""What no cloud remembers: runs, actions, faults, history. It can be lost without losing data."""
