-- Mail that is to be sent, put here in the transaction of its cause; and addresses that get none.

CREATE TABLE outbox_emails (
    id TEXT NOT NULL PRIMARY KEY,     -- eml_…; the Message-ID is made of it, so that a repeated mail is known as one
    cause TEXT NOT NULL UNIQUE,       -- what it is sent for, once: 'receipt:in_…', 'reminder:rmd_…:20270115'
    kind TEXT NOT NULL,               -- which mail it is: the name of its template
    language TEXT NOT NULL,           -- en | ru
    recipient_index TEXT,             -- blind index of the address, null once nothing more is to be done
    recipient_sealed BYTEA,           -- the address, sealed by the vault; null once nothing more is to be done
    facts_sealed BYTEA,               -- what it says, as JSON, sealed: links in it open what they lead to; null likewise
    state TEXT NOT NULL,              -- waiting | sent | suppressed | expired | failed
    created_at BIGINT NOT NULL,       -- when its cause was committed
    due_at BIGINT NOT NULL,           -- not to be tried before
    expires_at BIGINT NOT NULL,       -- not to be tried from then on
    attempts BIGINT NOT NULL,         -- how often it was tried
    data_at BIGINT,                   -- when its text was last begun to be handed over: from then on it may have arrived
    lease_token TEXT,                 -- the worker that holds it
    lease_until BIGINT NOT NULL,      -- when the hold ends by itself
    error TEXT,                       -- why the last try failed: a code, never an address
    settled_at BIGINT                 -- when its state first left waiting
);
CREATE INDEX outbox_emails_due ON outbox_emails (due_at, id) WHERE state = 'waiting';
CREATE INDEX outbox_emails_by_recipient ON outbox_emails (recipient_index) WHERE recipient_index IS NOT NULL;

CREATE TABLE mail_suppressions (
    email_index TEXT NOT NULL PRIMARY KEY, -- blind index of an address that gets no mail
    reason TEXT NOT NULL,                  -- bounced | complained | by_newsroom
    created_at BIGINT NOT NULL             -- since when
);
