"""The log: events, how they are chained, kept, read and erased."""
