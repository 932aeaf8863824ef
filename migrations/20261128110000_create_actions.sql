-- What people of the newsroom had done at Stripe: refunds and endings, each under an id that makes a second one the same.

CREATE TABLE actions (
    id TEXT NOT NULL PRIMARY KEY,  -- act_…, derived from the form it was asked by: the same form sent twice is one action
    kind TEXT NOT NULL,            -- refund | cancel | cancel_at_period_end
    pledge_id TEXT NOT NULL REFERENCES pledges (id), -- the pledge it is about
    stripe_key TEXT,               -- the payment to be refunded: in_… or pi_…; null for an ending
    amount_minor BIGINT,           -- what is to be given back, in the currency of the pledge; null for an ending
    actor TEXT NOT NULL,           -- who asked: adm_…
    reason TEXT NOT NULL,          -- why, as typed
    state TEXT NOT NULL,           -- asked | sent (Stripe took it) | refused; whether it came to pass is said by Stripe's events
    attempt BIGINT NOT NULL,       -- part of the idempotency key at Stripe; raised after a stored 5xx
    stripe_id TEXT,                -- re_… of the refund or sub_… of the subscription, once Stripe took it
    error TEXT,                    -- why Stripe refused, or why it is not known whether it took it
    asked_at BIGINT NOT NULL,      -- when
    answered_at BIGINT             -- when Stripe took or refused it
);
CREATE INDEX actions_by_pledge ON actions (pledge_id);

-- For lists that begin with the newest.
CREATE INDEX pledges_by_creation ON pledges (created_at, id);
CREATE INDEX pledges_overdue ON pledges (id) WHERE status = 'past_due';
CREATE INDEX payments_by_time ON payments (succeeded_at, id) WHERE succeeded_at IS NOT NULL;
CREATE INDEX payments_failed ON payments (stripe_key) WHERE status = 'failed';
CREATE INDEX stripe_events_parked ON stripe_events (settled_at, id) WHERE state = 'parked';

UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
