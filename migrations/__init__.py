"""The event store's numbered migrations, one .sql file a step."""
