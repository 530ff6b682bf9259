"""Where backups are kept, from the control plane's side."""
