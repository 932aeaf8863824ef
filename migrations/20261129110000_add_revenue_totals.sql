-- Sums of the daily sums, so that a report over a year reads tens of lines, however many campaigns and sources there are.
-- They are kept by the transaction that changes the daily ones. A program of the release before does not know them: it takes
-- a turn without counting it in `summed`. Reports then read the daily sums until a worker has made these up.

CREATE TABLE revenue_totals (
    view TEXT NOT NULL,             -- charge: the sums of revenue_daily | settlement: those of settlement_daily
    period BIGINT NOT NULL,         -- a day, 20261123, or a month, 202611, in the newsroom's time zone
    currency TEXT NOT NULL,         -- ISO 4217, upper case; currencies are never added
    frequency TEXT NOT NULL,        -- once | monthly | annual
    payments BIGINT NOT NULL,       -- how many payments, of all campaigns and sources together; so are all sums here
    gross_minor BIGINT NOT NULL,    -- what they brought
    refunds_minor BIGINT NOT NULL,  -- what was given back
    disputes_minor BIGINT NOT NULL, -- what disputes took, less what they gave back
    fees_minor BIGINT NOT NULL,     -- what Stripe kept; 0 where donors' gifts are counted
    PRIMARY KEY (view, period, currency, frequency)
);

CREATE TABLE revenue_monthly (
    view TEXT NOT NULL,             -- charge: the sums of revenue_daily | settlement: those of settlement_daily
    month BIGINT NOT NULL,          -- 202611, in the newsroom's time zone
    currency TEXT NOT NULL,         -- ISO 4217, upper case; currencies are never added
    frequency TEXT NOT NULL,        -- once | monthly | annual
    campaign TEXT NOT NULL,         -- slug
    source TEXT NOT NULL,           -- '' when not said
    payments BIGINT NOT NULL,       -- how many payments
    gross_minor BIGINT NOT NULL,    -- what they brought
    refunds_minor BIGINT NOT NULL,  -- what was given back
    disputes_minor BIGINT NOT NULL, -- what disputes took, less what they gave back
    fees_minor BIGINT NOT NULL,     -- what Stripe kept; 0 where donors' gifts are counted
    PRIMARY KEY (view, month, currency, frequency, campaign, source)
);

ALTER TABLE turns ADD COLUMN summed BIGINT NOT NULL DEFAULT 0; -- how often it was taken by a program that keeps these sums
ALTER TABLE turns ADD COLUMN mended BIGINT NOT NULL DEFAULT 0; -- of the other turns, how many these sums were made up for

-- It only adds: the release before may run beside it.
UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
