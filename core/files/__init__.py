"""Files that are whole or not there, and results kept by content."""
