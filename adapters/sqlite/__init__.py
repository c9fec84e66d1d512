"""The event store on SQLite: one file a loop."""
