"""Programs for those who work on Windlass; nothing of it is installed."""
