-- An end or a start that is told twice is recorded once: it is looked for by its session.
CREATE INDEX record_of_session ON record (evse, kind, json_extract(payload, '$.session_id'));

-- The newest meter value that was recorded in the transaction; NULL where there is none yet.
ALTER TABLE open_transaction ADD COLUMN meter_sequence INTEGER;

-- Ends that were recorded and perhaps not told to anybody: a run after this one tells them.
CREATE TABLE untold_end (
    evse       TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (evse, session_id)
) STRICT, WITHOUT ROWID;
