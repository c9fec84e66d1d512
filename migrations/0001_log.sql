-- The log itself: one row an event, appended and never changed.
CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,  -- gapless from 1
    at       INTEGER NOT NULL,     -- UTC, microseconds since 1970, never decreasing
    kind     TEXT    NOT NULL,     -- what happened
    event_id TEXT,                 -- the caller's id of the decision, where there is one
    codec    INTEGER NOT NULL,     -- how the body is stored: 0 is plain JSON text
    body     ANY     NOT NULL,
    digest   BLOB    NOT NULL      -- ties the event to all before it
) STRICT;

CREATE INDEX by_event_id ON events (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX by_kind ON events (kind, seq);

-- With recursive_triggers on, these also stop INSERT OR REPLACE.
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: events are not changed');
END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: events are not deleted');
END;

-- Who may write, and how far the log goes. A writer that finds another epoch here is stale;
-- a log that ends elsewhere than here was cut off.
CREATE TABLE writer (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    digest BLOB    NOT NULL
) STRICT;

INSERT INTO writer VALUES (1, 0, 0, zeroblob(32));

-- An event comes right after the last one, or not at all.
CREATE TRIGGER events_come_in_order AFTER INSERT ON events
BEGIN
    UPDATE writer SET seq = NEW.seq, digest = NEW.digest WHERE seq = NEW.seq - 1;
    SELECT RAISE(ABORT, 'the log goes on elsewhere: another writer was here') WHERE changes() = 0;
END;
