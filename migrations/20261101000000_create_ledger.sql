-- The ledger: what donors pledged, what Stripe said happened, and what the newsroom reports from it.
-- One text for SQLite and PostgreSQL. Times are unix seconds, amounts are minor units, ids and tokens are ASCII.
-- No column holds an IP address, a user agent or a referrer; what identifies a donor is sealed (BYTEA).

CREATE TABLE instance (
    name TEXT NOT NULL PRIMARY KEY, -- which fact about this database: time_zone, stripe_mode, stripe_account
    value TEXT NOT NULL             -- the fact, fixed at first start; another value is refused
);

CREATE TABLE turns (
    name TEXT NOT NULL PRIMARY KEY, -- whose turn it is: reconcile
    taken BIGINT NOT NULL           -- how often it was taken; updating the row is what makes others wait
);

CREATE TABLE campaigns (
    slug TEXT NOT NULL PRIMARY KEY,  -- the name in addresses, [a-z0-9-], at most 64 characters
    name TEXT NOT NULL,              -- what donors read
    default_currency TEXT NOT NULL,  -- ISO 4217, upper case; preselected in the form
    default_frequency TEXT NOT NULL, -- once | monthly | annual; preselected in the form
    created_at BIGINT NOT NULL       -- when the campaign was made
);

CREATE TABLE campaign_amounts (
    campaign TEXT NOT NULL REFERENCES campaigns (slug), -- the campaign these amounts are for
    currency TEXT NOT NULL,                             -- ISO 4217, upper case
    frequency TEXT NOT NULL,                            -- once | monthly | annual
    position BIGINT NOT NULL,                           -- the place of the currency in the form, from 0
    suggested_minor TEXT NOT NULL,                      -- the amounts offered, minor units parted by spaces
    min_minor BIGINT NOT NULL,                          -- the least that is taken
    max_minor BIGINT NOT NULL,                          -- the most that is taken
    PRIMARY KEY (campaign, currency, frequency)
);

CREATE TABLE donors (
    id TEXT NOT NULL PRIMARY KEY,    -- dnr_…
    email_index TEXT NOT NULL UNIQUE, -- blind index (HMAC) of the normalised address
    email_sealed BYTEA NOT NULL,     -- the address, sealed by the vault
    created_at BIGINT NOT NULL       -- when this donor was first known
);

CREATE TABLE pledges (
    id TEXT NOT NULL PRIMARY KEY,    -- plg_…
    campaign TEXT NOT NULL REFERENCES campaigns (slug), -- where it was made
    frequency TEXT NOT NULL,         -- once | monthly | annual
    amount_minor BIGINT NOT NULL,    -- what the donor chose to give each time
    currency TEXT NOT NULL,          -- ISO 4217, upper case
    locale TEXT,                     -- language of the checkout page, null: Stripe decides
    source TEXT NOT NULL,            -- where on the site the gift came from, '' when not said
    return_url TEXT NOT NULL,        -- where the donor comes back to after checkout
    status TEXT NOT NULL,            -- open | processing | paid | active | past_due | paused | canceled | expired | failed
    created_at BIGINT NOT NULL,      -- when it was made
    expires_at BIGINT NOT NULL,      -- when its checkout session ends
    given_up_at BIGINT,              -- when we found that no checkout session was ever made for it and stopped asking
    settled_at BIGINT,               -- when its status first left open and processing
    paid_at BIGINT,                  -- when Stripe says its first money came
    stripe_attempt BIGINT NOT NULL,  -- part of the idempotency key at Stripe; raised after a stored 5xx
    stripe_session_id TEXT,          -- cs_…, null until Stripe answered
    checkout_url TEXT,               -- where the donor pays, null until Stripe answered
    stripe_subscription_id TEXT,     -- sub_…, for monthly and annual pledges once Stripe made it
    stripe_customer_id TEXT,         -- cus_…, where Stripe made one
    donor_id TEXT REFERENCES donors (id) -- who gave, as far as known
);
CREATE INDEX pledges_by_customer ON pledges (stripe_customer_id);
CREATE INDEX pledges_unsettled ON pledges (expires_at) WHERE settled_at IS NULL;

CREATE TABLE idempotency_keys (
    key_hash TEXT NOT NULL PRIMARY KEY, -- SHA-256 of the caller's Idempotency-Key
    body_hash TEXT NOT NULL,            -- SHA-256 of the parsed request; another body under the key is refused
    pledge_id TEXT REFERENCES pledges (id), -- the pledge made under this key
    claim_token TEXT,                   -- who is at work on it, null when nobody is
    claim_until BIGINT NOT NULL,        -- when an abandoned claim is free again
    created_at BIGINT NOT NULL          -- the key is forgotten 24 h later
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE stripe_events (
    id TEXT NOT NULL PRIMARY KEY,    -- evt_…, or sha256_<hex> of a signed body that is no event
    kind TEXT NOT NULL,              -- Stripe's event type, '' for a body that is no event
    object_id TEXT,                  -- id of the object the event is about
    api_version TEXT,                -- the version the body was written in
    livemode BIGINT,                 -- 1 live, 0 test, null when not said
    stripe_created_at BIGINT,        -- Stripe's time of the event
    received_at BIGINT NOT NULL,     -- when we stored it
    body BYTEA,                      -- the raw body, sealed; null once it is no longer needed
    state TEXT NOT NULL,             -- received | applied | ignored | parked
    attempts BIGINT NOT NULL,        -- how often applying it has failed
    due_at BIGINT NOT NULL,          -- not to be tried before
    lease_token TEXT,                -- the worker that holds it
    lease_until BIGINT NOT NULL,     -- when the hold ends by itself
    error TEXT,                      -- why the last attempt failed, or why it was ignored; never donor data
    settled_at BIGINT                -- when it was applied, ignored or parked
);
CREATE INDEX stripe_events_due ON stripe_events (due_at, received_at, id) WHERE state = 'received';
CREATE INDEX stripe_events_by_state ON stripe_events (state, settled_at);

CREATE TABLE stripe_objects (
    object_id TEXT NOT NULL PRIMARY KEY, -- Stripe's id
    kind TEXT NOT NULL,              -- checkout_session | payment_intent | charge | invoice | invoice_payment | subscription | customer
    pledge_id TEXT REFERENCES pledges (id), -- the pledge of ours it belongs to, null while not known to be ours
    payment_intent_id TEXT,          -- pi_… it names
    invoice_id TEXT,                 -- in_… it names
    subscription_id TEXT,            -- sub_… it names
    customer_id TEXT,                -- cus_… it names
    donor_id TEXT REFERENCES donors (id), -- the donor whose address the newest snapshot holds
    fact TEXT NOT NULL,              -- JSON: the newest snapshot, money and states only, nothing about the donor
    updated_at BIGINT NOT NULL       -- Stripe's time of that snapshot
);
CREATE INDEX stripe_objects_by_pledge ON stripe_objects (pledge_id, kind);
CREATE INDEX stripe_objects_by_payment_intent ON stripe_objects (payment_intent_id);
CREATE INDEX stripe_objects_by_invoice ON stripe_objects (invoice_id);
CREATE INDEX stripe_objects_by_subscription ON stripe_objects (subscription_id);

CREATE TABLE payments (
    stripe_key TEXT NOT NULL PRIMARY KEY, -- in_… for recurring gifts, pi_… for one-time gifts
    id TEXT NOT NULL UNIQUE,         -- pmt_…
    pledge_id TEXT NOT NULL REFERENCES pledges (id), -- what it pays for
    status TEXT NOT NULL,            -- pending | processing | succeeded | failed | canceled
    amount_minor BIGINT NOT NULL,    -- what was or would be taken
    currency TEXT NOT NULL,          -- ISO 4217, upper case
    succeeded_at BIGINT,             -- when Stripe says the money came
    day BIGINT,                      -- that day in the newsroom's time zone, as 20261123
    stripe_charge_id TEXT,           -- ch_…, where known
    stripe_balance_transaction_id TEXT -- txn_…, once Stripe has booked it
);
CREATE INDEX payments_by_pledge ON payments (pledge_id);
CREATE INDEX payments_by_day ON payments (day);

CREATE TABLE revenue_daily (
    day BIGINT NOT NULL,             -- 20261123, in the newsroom's time zone
    currency TEXT NOT NULL,          -- ISO 4217, upper case; currencies are never added
    frequency TEXT NOT NULL,         -- once | monthly | annual
    campaign TEXT NOT NULL,          -- slug
    source TEXT NOT NULL,            -- '' when not said
    payments BIGINT NOT NULL,        -- how many payments succeeded
    gross_minor BIGINT NOT NULL,     -- what they brought
    refunds_minor BIGINT NOT NULL,   -- what was given back on this day
    disputes_minor BIGINT NOT NULL,  -- what disputes took on this day, less what they gave back
    PRIMARY KEY (day, currency, frequency, campaign, source)
);

INSERT INTO turns (name, taken) VALUES ('reconcile', 0);

INSERT INTO campaigns (slug, name, default_currency, default_frequency, created_at)
VALUES ('default', 'Support our journalism', 'USD', 'monthly', 0);

INSERT INTO campaign_amounts (campaign, currency, frequency, position, suggested_minor, min_minor, max_minor) VALUES
    ('default', 'USD', 'once', 0, '1000 2500 5000 10000', 200, 99999999),
    ('default', 'USD', 'monthly', 0, '200 500 1000 2500', 200, 1000000),
    ('default', 'USD', 'annual', 0, '2500 5000 10000 25000', 200, 10000000),
    ('default', 'EUR', 'once', 1, '1000 2500 5000 10000', 200, 99999999),
    ('default', 'EUR', 'monthly', 1, '200 500 1000 2500', 200, 1000000),
    ('default', 'EUR', 'annual', 1, '2500 5000 10000 25000', 200, 10000000),
    ('default', 'GBP', 'once', 2, '1000 2500 5000 10000', 200, 99999999),
    ('default', 'GBP', 'monthly', 2, '200 500 1000 2000', 200, 1000000),
    ('default', 'GBP', 'annual', 2, '2000 5000 10000 25000', 200, 10000000),
    ('default', 'JPY', 'once', 3, '1000 3000 5000 10000', 300, 9999999),
    ('default', 'JPY', 'monthly', 3, '300 500 1000 3000', 300, 1000000),
    ('default', 'JPY', 'annual', 3, '3000 5000 10000 30000', 300, 9999999);
