"""What touches the world: files, databases, the learning engine, and people."""
