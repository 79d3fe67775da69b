-- What happened at each EVSE, in order. Consumers (OCPP) read on from a sequence number.
CREATE TABLE record (
    evse     TEXT    NOT NULL,
    sequence INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    payload  TEXT    NOT NULL,  -- JSON
    PRIMARY KEY (evse, sequence)
) STRICT, WITHOUT ROWID;

-- The last sequence number given out, so that none is used again even where records were removed.
CREATE TABLE sequence (
    evse TEXT    NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where a new EVSE begins to count; above 0 in a file that replaces a damaged one.
CREATE TABLE numbering (
    first INTEGER NOT NULL
) STRICT;
INSERT INTO numbering (first) VALUES (1);

-- Transactions that were started and not finished, by the record of their start.
CREATE TABLE open_transaction (
    evse       TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (evse, session_id)
) STRICT, WITHOUT ROWID;

-- The operator's settings of each EVSE.
CREATE TABLE settings (
    evse     TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL  -- JSON
) STRICT, WITHOUT ROWID;
