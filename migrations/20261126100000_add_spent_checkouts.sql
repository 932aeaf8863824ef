-- Checkouts on which card after card is declined. Whoever tries stolen cards would go on until the session ends by itself,
-- 23 hours later; so it is ended at Stripe after the fifth failed attempt.

ALTER TABLE pledges ADD COLUMN spent_at BIGINT; -- when Stripe says the fifth attempt to pay it failed, null while fewer did or once its checkout is complete
ALTER TABLE pledges ADD COLUMN end_due_at BIGINT; -- when we ask Stripe again to end its spent checkout, null before the first time
CREATE INDEX pledges_spent ON pledges (spent_at, id) WHERE spent_at IS NOT NULL AND settled_at IS NULL;
