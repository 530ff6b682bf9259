"""The running program: a server of sealed requests around one datastore's driver."""
