-- Money that goes back, and how subscriptions changed over time. What Stripe said is in stripe_objects; these rows are
-- derived from it, as payments are, and the daily revenue is their sum.

ALTER TABLE stripe_objects ADD COLUMN charge_id TEXT; -- ch_… it names
CREATE INDEX stripe_objects_by_charge ON stripe_objects (charge_id) WHERE charge_id IS NOT NULL;

ALTER TABLE pledges ADD COLUMN ended_at BIGINT; -- when Stripe says it was canceled, null while it was not
ALTER TABLE pledges ADD COLUMN paid_after_end_at BIGINT; -- when money last came after that: somebody has to look
CREATE INDEX pledges_paid_after_end ON pledges (paid_after_end_at) WHERE paid_after_end_at IS NOT NULL;

CREATE TABLE refunds (
    stripe_refund_id TEXT NOT NULL PRIMARY KEY, -- re_…; ch_… for what a charge says was refunded by refunds not known yet
    stripe_key TEXT NOT NULL,                   -- the payment it gives back: in_… or pi_…
    status TEXT NOT NULL,                       -- pending | requires_action | succeeded | failed | canceled
    amount_minor BIGINT NOT NULL,               -- what was to be given back
    counted_minor BIGINT NOT NULL,              -- what counts in reports: 0 if it failed, at most what is left of the payment
    currency TEXT NOT NULL,                     -- ISO 4217, upper case
    created_at BIGINT NOT NULL,                 -- when it was made at Stripe
    day BIGINT NOT NULL                         -- that day in the newsroom's time zone, as 20261123
);
CREATE INDEX refunds_by_payment ON refunds (stripe_key);

CREATE TABLE disputes (
    stripe_dispute_id TEXT NOT NULL PRIMARY KEY, -- du_…
    stripe_key TEXT NOT NULL,                    -- the payment it is about: in_… or pi_…
    status TEXT NOT NULL,                        -- Stripe's word: needs_response | under_review | won | lost | warning_…
    amount_minor BIGINT NOT NULL,                -- what is disputed
    counted_minor BIGINT NOT NULL,               -- what counts in reports: 0 until the payment has succeeded
    currency TEXT NOT NULL,                      -- ISO 4217, upper case
    withdrawn_at BIGINT,                         -- when Stripe took the money, null while it has not
    withdrawn_day BIGINT,                        -- that day in the newsroom's time zone, as 20261123
    reinstated_at BIGINT,                        -- when Stripe gave the money back, null while it has not
    reinstated_day BIGINT                        -- that day in the newsroom's time zone, as 20261123
);
CREATE INDEX disputes_by_payment ON disputes (stripe_key);

CREATE TABLE subscription_versions (
    stripe_subscription_id TEXT NOT NULL, -- sub_…
    at BIGINT NOT NULL,                   -- Stripe's time of the version
    event_id TEXT NOT NULL,               -- the event that showed it
    fact TEXT NOT NULL,                   -- JSON: status, amount, interval, pause and cancel intent, as in stripe_objects
    PRIMARY KEY (stripe_subscription_id, at, event_id)
);

-- Bodies lie apart, so that what becomes of an event is written without writing its body again.
CREATE TABLE stripe_event_bodies (
    event_id TEXT NOT NULL PRIMARY KEY, -- evt_…, or sha256_<hex> of a signed body that is no event
    body BYTEA NOT NULL                 -- the raw body, sealed; deleted once it is no longer needed
);
INSERT INTO stripe_event_bodies (event_id, body) SELECT id, body FROM stripe_events WHERE body IS NOT NULL;
ALTER TABLE stripe_events DROP COLUMN body;

-- Most objects name few others: what names nothing needs no place in an index.
DROP INDEX stripe_objects_by_payment_intent;
DROP INDEX stripe_objects_by_invoice;
DROP INDEX stripe_objects_by_subscription;
CREATE INDEX stripe_objects_by_payment_intent ON stripe_objects (payment_intent_id) WHERE payment_intent_id IS NOT NULL;
CREATE INDEX stripe_objects_by_invoice ON stripe_objects (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX stripe_objects_by_subscription ON stripe_objects (subscription_id) WHERE subscription_id IS NOT NULL;

-- SQLite took the index by state for the lease and read every event that waits. State comes last now: it still counts the
-- states by itself, and leaves the lease to the index by what is due.
DROP INDEX stripe_events_by_state;
CREATE INDEX stripe_events_by_state ON stripe_events (settled_at, state);
