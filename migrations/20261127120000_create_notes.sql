-- What was done for the database by hand or by a command, so that `doctor` can tell when it has been too long.

CREATE TABLE notes (
    name TEXT NOT NULL PRIMARY KEY, -- what was done: backup, keys_copied
    value TEXT NOT NULL,            -- of what: '' for a backup; for keys_copied the names of the keys, not the keys
    noted_at BIGINT NOT NULL        -- when it was last done
);
