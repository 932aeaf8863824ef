-- A chain over what was committed, whose head is also kept in a file beside an SQLite database: what a damaged WAL drops in
-- silence is then missed at the next start. And from here on each migration says which programs may run beside its schema.

CREATE TABLE commit_chain (
    name TEXT NOT NULL PRIMARY KEY, -- head: there is one row
    length BIGINT NOT NULL,         -- how many links the chain has
    hash TEXT NOT NULL,             -- SHA-256 over the link before, the length, and how many rows the tables had
    previous TEXT NOT NULL          -- the hash of the link before, '' for the first
);

-- The oldest program, by its newest migration, that may run on this schema. Each later migration sets it anew.
INSERT INTO instance (name, value) VALUES ('oldest_program', '20261126130000');
