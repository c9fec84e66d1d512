"""Default settings and ready learning policies."""
