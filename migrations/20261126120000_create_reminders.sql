-- What readers ask for later: reminders and the newsletter. The web half seals what it was sent into `requests`; the worker
-- makes of it what it comes to. Addresses are there only as long as mail is to be sent to them.

CREATE TABLE requests (
    id TEXT NOT NULL PRIMARY KEY,     -- req_…
    kind TEXT NOT NULL,               -- reminder | newsletter
    body BYTEA NOT NULL,              -- what was asked, as JSON, sealed; the row goes once it was worked off
    created_at BIGINT NOT NULL,       -- when it was asked
    due_at BIGINT NOT NULL,           -- not to be tried before
    attempts BIGINT NOT NULL,         -- how often it was begun; after ten it is parked
    lease_token TEXT,                 -- the worker that holds it
    lease_until BIGINT NOT NULL       -- when the hold ends by itself
);
CREATE INDEX requests_due ON requests (due_at, id);

CREATE TABLE reminders (
    id TEXT NOT NULL PRIMARY KEY,     -- rmd_…
    email_index TEXT,                 -- blind index of the address (purpose: reminder), null a day after it is done
    contact_sealed BYTEA,             -- the address and the token of its links, sealed; null once done
    token_hash TEXT UNIQUE,           -- SHA-256 of the token of its links, null where no mail was ever sent
    state TEXT NOT NULL,              -- asked | confirmed | done
    reason TEXT,                      -- why it is done: sent, gave, active, cancelled, replaced, never, stale, unconfirmed, …
    due_on BIGINT NOT NULL,           -- the day of the next reminder, 20270115, in the newsroom's time zone
    due_at BIGINT NOT NULL,           -- when it is to be sent
    anchor_on BIGINT NOT NULL,        -- the day months are counted from, 20261123
    months BIGINT NOT NULL,           -- months from the anchor to due_on
    recurring_months BIGINT,          -- months between two reminders, null: there is one
    until_months BIGINT NOT NULL,     -- months from the anchor to the last reminder there may be
    frequency TEXT,                   -- once | monthly | annual, as far as chosen
    amount_minor BIGINT,              -- in minor units, as far as chosen
    currency TEXT,                    -- ISO 4217, upper case, as far as chosen
    campaign TEXT NOT NULL REFERENCES campaigns (slug), -- where it was asked for
    language TEXT NOT NULL,           -- en | ru
    component TEXT NOT NULL,          -- where on the site it was asked for, '' when not said
    consent_version TEXT NOT NULL,    -- the text that was agreed to
    consent_at BIGINT NOT NULL,       -- when
    created_at BIGINT NOT NULL,       -- when it was asked for
    confirmed_at BIGINT,              -- when its confirmation was followed
    reminded_at BIGINT,               -- when a reminder was last put into the outbox
    reminders BIGINT NOT NULL,        -- how many were put there
    email_id TEXT,                    -- eml_… of the last one
    done_at BIGINT,                   -- when nothing more was to be done
    used_pledge_id TEXT REFERENCES pledges (id) -- the first pledge made from its link
);
CREATE INDEX reminders_due ON reminders (due_at, id) WHERE state = 'confirmed';
CREATE INDEX reminders_asked ON reminders (created_at) WHERE state = 'asked';
CREATE INDEX reminders_by_address ON reminders (email_index) WHERE email_index IS NOT NULL;

CREATE TABLE newsletter_signups (
    id TEXT NOT NULL PRIMARY KEY,     -- nls_…; shared with nothing
    email_index TEXT,                 -- blind index of the address (purpose: newsletter), null a day after it is done
    contact_sealed BYTEA,             -- the address and the token of its links, sealed; null once done
    token_hash TEXT UNIQUE,           -- SHA-256 of the token of its links, null where no mail was ever sent
    state TEXT NOT NULL,              -- asked | confirmed | done
    reason TEXT,                      -- why it is done: unsubscribed, never, unconfirmed, replaced, …
    list TEXT NOT NULL,               -- the list of the newsroom
    language TEXT NOT NULL,           -- en | ru
    consent_version TEXT NOT NULL,    -- the text that was agreed to
    consent_at BIGINT NOT NULL,       -- when
    created_at BIGINT NOT NULL,       -- when it was asked for
    confirmed_at BIGINT,              -- when its confirmation was followed
    welcomed_at BIGINT,               -- when its welcome was put into the outbox
    done_at BIGINT                    -- when nothing more was to be done
);
CREATE INDEX newsletter_signups_unwelcomed ON newsletter_signups (confirmed_at, id) WHERE state = 'confirmed' AND welcomed_at IS NULL;
CREATE INDEX newsletter_signups_asked ON newsletter_signups (created_at) WHERE state = 'asked';
CREATE INDEX newsletter_signups_by_address ON newsletter_signups (email_index) WHERE email_index IS NOT NULL;

CREATE TABLE never_again (
    email_index TEXT NOT NULL PRIMARY KEY, -- blind index of an address that asked never to be written to, of either purpose
    created_at BIGINT NOT NULL             -- since when
);

-- The index (purpose: reminder) under which a donor's reminders are found; null for donors from before there were any.
ALTER TABLE donors ADD COLUMN reminder_index TEXT;
CREATE INDEX pledges_by_donor ON pledges (donor_id) WHERE donor_id IS NOT NULL;
