-- The newsroom's own people: who may sign in, what they are signed in by, and what they did.

CREATE TABLE admins (
    id TEXT NOT NULL PRIMARY KEY,      -- adm_…
    email_index TEXT NOT NULL UNIQUE,  -- keyed hash of the address, under the key of the admin side
    email_sealed BYTEA NOT NULL,       -- the address, sealed with the key of the admin side
    role TEXT NOT NULL,                -- viewer | finance | admin
    password_hash TEXT,                -- argon2id in PHC form, null until a password was set
    totp_sealed BYTEA,                 -- the secret of one-time codes, sealed; null without one
    totp_confirmed_at BIGINT,          -- when a first code was typed: from then on one is asked for
    totp_last_step BIGINT,             -- the 30 seconds of the last code taken: neither it nor an older one is taken again
    created_at BIGINT NOT NULL,        -- when
    disabled_at BIGINT                 -- since when they may not sign in, null while they may
);

CREATE TABLE admin_links (
    token_hash TEXT NOT NULL PRIMARY KEY, -- SHA-256 of what the link carries
    admin_id TEXT,                        -- whose password it sets; null: it makes the first admin while there is none
    expires_at BIGINT NOT NULL            -- until when it may be used; it is deleted with its use
);

CREATE TABLE admin_recovery_codes (
    code_hash TEXT NOT NULL PRIMARY KEY, -- keyed hash of the code, deleted with its use
    admin_id TEXT NOT NULL               -- whose
);
CREATE INDEX admin_recovery_codes_by_admin ON admin_recovery_codes (admin_id);

CREATE TABLE admin_sessions (
    id TEXT NOT NULL PRIMARY KEY,    -- ses_…
    admin_id TEXT NOT NULL,          -- whose
    kind TEXT NOT NULL,              -- page (a cookie) | api (a refresh token)
    token_hash TEXT NOT NULL UNIQUE, -- SHA-256 of the cookie or of the refresh token in force
    created_at BIGINT NOT NULL,      -- when somebody signed in
    seen_at BIGINT NOT NULL,         -- when it was last used, to the minute
    ended_at BIGINT                  -- when it was ended before its time
);
CREATE INDEX admin_sessions_by_admin ON admin_sessions (admin_id);
CREATE INDEX admin_sessions_by_creation ON admin_sessions (created_at);

CREATE TABLE admin_tokens (
    id TEXT NOT NULL PRIMARY KEY,    -- tok_…
    token_hash TEXT NOT NULL UNIQUE, -- SHA-256 of the token
    scope TEXT NOT NULL,             -- reports:read
    note TEXT NOT NULL,              -- what it is for, as its maker says
    created_at BIGINT NOT NULL,      -- when
    expires_at BIGINT NOT NULL,      -- until when it is taken
    revoked_at BIGINT                -- since when it is not
);

CREATE TABLE admin_failures (
    bucket TEXT NOT NULL PRIMARY KEY, -- the beginning of the keyed hash of the address that was typed, whether there is such a person or not
    failures BIGINT NOT NULL,         -- wrong passwords or codes in a row
    failed_at BIGINT NOT NULL,        -- when last
    blocked_until BIGINT NOT NULL     -- until when nobody is let in, not even with the right password
);
CREATE INDEX admin_failures_by_time ON admin_failures (failed_at);

CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY, -- aud_…
    at BIGINT NOT NULL,           -- when
    actor TEXT NOT NULL,          -- who: adm_…, or command_line
    action TEXT NOT NULL,         -- what was done: a word and a dot and a word, such as person.created
    subject TEXT NOT NULL,        -- to what or whom: an id or a slug
    reason TEXT NOT NULL,         -- why, where a reason was asked for; '' elsewhere
    before TEXT NOT NULL,         -- how it was, as JSON; '' where there was nothing
    after TEXT NOT NULL           -- how it is, as JSON; '' where there is nothing any more
);
CREATE INDEX audit_log_by_time ON audit_log (at, id);

UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
