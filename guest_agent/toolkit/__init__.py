"""What every driver needs of the operating system: files, processes, configuration."""
