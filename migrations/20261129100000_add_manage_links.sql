-- How donors come to what they give without an account: links that are mailed, and links by which a pledge is stopped.

CREATE TABLE manage_links (
    id TEXT NOT NULL PRIMARY KEY,    -- mng_…
    link_hash TEXT NOT NULL UNIQUE,  -- SHA-256 of the token in the mailed link
    session_hash TEXT UNIQUE,        -- SHA-256 of the cookie of the browser that opened it; null until one did
    email_index TEXT NOT NULL,       -- blind index (HMAC) of the normalised address, for this table only
    email_sealed BYTEA NOT NULL,     -- the address the link was mailed to, sealed by the vault
    created_at BIGINT NOT NULL,      -- when the link was made
    expires_at BIGINT NOT NULL       -- when the link, or once opened its session, ends
);
CREATE INDEX manage_links_by_address ON manage_links (email_index, created_at);
CREATE INDEX manage_links_by_end ON manage_links (expires_at);

CREATE TABLE stop_links (
    token_hash TEXT NOT NULL PRIMARY KEY, -- SHA-256 of the token in the mails about the pledge
    pledge_id TEXT NOT NULL REFERENCES pledges (id) -- the pledge it stops
);

ALTER TABLE actions ADD COLUMN before_minor BIGINT; -- what was given each time before a change of the amount
ALTER TABLE actions ADD COLUMN before_frequency TEXT; -- how often it was given before a change, monthly | annual
ALTER TABLE actions ADD COLUMN told_at BIGINT;      -- when the donor was told of the change, or that the pause ends, or need not be

UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
