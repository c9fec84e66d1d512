-- A body may be erased, and nothing else be changed: codec 1 holds the SHA-256 of the JSON that was there.
DROP TRIGGER events_are_not_changed;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
WHEN NOT (
    NEW.seq IS OLD.seq AND NEW.at IS OLD.at AND NEW.kind IS OLD.kind
    AND NEW.event_id IS OLD.event_id AND NEW.digest IS OLD.digest
    AND OLD.kind IN ('Ranked', 'SlotsRanked', 'Rewarded', 'Activated')
    AND OLD.codec <> 1 AND NEW.codec = 1
    AND typeof(NEW.body) = 'blob' AND length(NEW.body) = 32
)
BEGIN
    SELECT RAISE(ABORT, 'the log is append-only: events are not changed');
END;
