-- The body of a decision may be stored compressed: codec 2 holds the number of a dictionary and the length of
-- the JSON, four bytes each, the greatest first, and then a frame of Zstandard (RFC 8878). The digest
-- is over the JSON, so how a body is stored is no part of the chain.
CREATE TABLE dictionaries (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,  -- 0 is none; never used twice
    since   INTEGER NOT NULL,  -- everything in it stands in decisions from this seq on
    first   INTEGER NOT NULL,  -- no event before this seq is compressed with it
    content TEXT    NOT NULL,  -- what repeats in bodies, a JSON array
    sha256  BLOB    NOT NULL   -- of the content
) STRICT;

CREATE TRIGGER dictionaries_are_not_changed BEFORE UPDATE ON dictionaries
BEGIN
    SELECT RAISE(ABORT, 'a dictionary is not changed: bodies are stored with it');
END;

-- A body may be erased or stored in another way, and nothing else be changed.
DROP TRIGGER events_are_not_changed;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
WHEN NOT (
    NEW.seq IS OLD.seq AND NEW.at IS OLD.at AND NEW.kind IS OLD.kind
    AND NEW.event_id IS OLD.event_id AND NEW.digest IS OLD.digest
    AND (
        OLD.kind IN ('Ranked', 'SlotsRanked', 'Rewarded', 'Activated')
        AND OLD.codec <> 1 AND NEW.codec = 1
        AND typeof(NEW.body) = 'blob' AND length(NEW.body) = 32
        OR OLD.kind IN ('Ranked', 'SlotsRanked') AND (
            OLD.codec IN (0, 2) AND NEW.codec = 2 AND typeof(NEW.body) = 'blob'
            OR OLD.codec = 2 AND NEW.codec = 0 AND typeof(NEW.body) = 'text'
        )
    )
)
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: events are not changed');
END;
