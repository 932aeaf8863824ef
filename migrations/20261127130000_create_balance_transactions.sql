-- What Stripe booked: the lines of the account's balance, what was paid out of it, and where our books and these differ.
-- Read from Stripe's lists, since it sends no events about them. Nothing here is about a donor.

CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY, -- which of Stripe's lists is read: balance_transactions | payouts
    position BIGINT NOT NULL,       -- everything made up to then was read, by Stripe's time
    reached BIGINT,                 -- while it is read: up to when it will have been, once the end is come to
    after_id TEXT                   -- while it is read: the last object that was kept; it goes on behind it
);

CREATE TABLE balance_transactions (
    id TEXT NOT NULL PRIMARY KEY,  -- txn_…
    kind TEXT NOT NULL,            -- Stripe's type: charge | payment | refund | adjustment | payout | stripe_fee …
    category TEXT NOT NULL,        -- Stripe's reporting category: charge | refund | dispute | fee …
    part TEXT NOT NULL,            -- charge | refund | dispute: what of a gift it is, if it is one's; account: the account's own
    source_id TEXT,                -- what caused it: ch_…, py_…, re_…, du_…, po_…
    charge_id TEXT,                -- the charge that is behind it: ch_… or py_…
    stripe_key TEXT,               -- the payment of ours it belongs to, in_… or pi_…; null while none is known
    pledge_id TEXT,                -- the pledge of ours it must belong to, where that was told when it was read
    amount_minor BIGINT NOT NULL,  -- before the fee, negative when money left; minor units of the settlement currency
    fee_minor BIGINT NOT NULL,     -- what Stripe kept of it
    net_minor BIGINT NOT NULL,     -- amount less fee
    currency TEXT NOT NULL,        -- the settlement currency, ISO 4217, upper case
    exchange_rate TEXT,            -- Stripe's rate, as it wrote it, where the money moved in another currency
    created_at BIGINT NOT NULL,    -- when Stripe booked it
    day BIGINT NOT NULL,           -- that day in the newsroom's time zone, as 20261123
    available_at BIGINT NOT NULL,  -- when it may be paid out
    payout_id TEXT                 -- po_… it left in, null while it has not
);
CREATE INDEX balance_transactions_by_payment ON balance_transactions (stripe_key) WHERE stripe_key IS NOT NULL;
CREATE INDEX balance_transactions_unlinked ON balance_transactions (id) WHERE stripe_key IS NULL AND part <> 'account';
CREATE INDEX balance_transactions_by_charge ON balance_transactions (charge_id) WHERE charge_id IS NOT NULL;
CREATE INDEX balance_transactions_by_source ON balance_transactions (source_id) WHERE source_id IS NOT NULL;
CREATE INDEX balance_transactions_by_payout ON balance_transactions (payout_id) WHERE payout_id IS NOT NULL;
CREATE INDEX balance_transactions_by_day ON balance_transactions (day);
CREATE INDEX payments_by_charge ON payments (stripe_charge_id) WHERE stripe_charge_id IS NOT NULL;

CREATE TABLE payouts (
    id TEXT NOT NULL PRIMARY KEY,  -- po_…
    status TEXT NOT NULL,          -- Stripe's word: pending | in_transit | paid | failed | canceled
    made_by TEXT NOT NULL,         -- automatic: by Stripe's schedule; manual: by somebody
    lines_known TEXT NOT NULL,     -- Stripe's word for whether it tells the lines: completed | in_progress | not_applicable
    amount_minor BIGINT NOT NULL,  -- what the bank gets, minor units
    currency TEXT NOT NULL,        -- ISO 4217, upper case
    created_at BIGINT NOT NULL,    -- when it was made
    day BIGINT NOT NULL,           -- that day in the newsroom's time zone, as 20261123
    arrives_on BIGINT NOT NULL,    -- the day the bank has it, as Stripe says, 20261125
    lines_minor BIGINT,            -- the sum of its balance transactions but its own, null while they were not read
    lines_at BIGINT                -- when they were last read
);
CREATE INDEX payouts_by_day ON payouts (day);
CREATE INDEX payouts_that_differ ON payouts (id) WHERE lines_minor <> amount_minor;

CREATE TABLE settlement_daily (
    day BIGINT NOT NULL,            -- 20261123, in the newsroom's time zone: when Stripe booked it
    currency TEXT NOT NULL,         -- the settlement currency, ISO 4217, upper case; currencies are never added
    frequency TEXT NOT NULL,        -- once | monthly | annual
    campaign TEXT NOT NULL,         -- slug
    source TEXT NOT NULL,           -- '' when not said
    payments BIGINT NOT NULL,       -- how many charges were booked
    gross_minor BIGINT NOT NULL,    -- what they brought, before fees
    refunds_minor BIGINT NOT NULL,  -- what was given back, less what came back because it could not be given
    disputes_minor BIGINT NOT NULL, -- what disputes took, less what they gave back
    fees_minor BIGINT NOT NULL,     -- what Stripe kept
    net_minor BIGINT NOT NULL,      -- what is left: the sum of the lines' net
    PRIMARY KEY (day, currency, frequency, campaign, source)
);

CREATE TABLE breaks (
    what TEXT NOT NULL,       -- payment | refund | dispute | payout, and in which way the books and Stripe differ
    object_id TEXT NOT NULL,  -- about what: pi_…, in_…, ch_…, re_…, du_…, po_…
    day BIGINT NOT NULL,      -- 20261123, in the newsroom's time zone: the day it is looked for on
    currency TEXT NOT NULL,   -- ISO 4217, upper case
    expected_minor BIGINT,    -- what our books say Stripe should have booked; null: nothing
    found_minor BIGINT,       -- what Stripe booked; null: nothing
    opened_at BIGINT NOT NULL, -- when it was found
    closed_at BIGINT,         -- when it was found to be healed, null while it is open
    PRIMARY KEY (what, object_id, currency)
);
CREATE INDEX breaks_open ON breaks (day) WHERE closed_at IS NULL;

-- It only adds: the release before may run beside it.
UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
