-- Donors are told of payments that failed, of pledges that ended, of refunds, and of annual renewals to come. This says for
-- which ones that was done. What the mails say beyond the books is asked of Stripe when they are made, and kept nowhere.

ALTER TABLE payments ADD COLUMN failure_told_at BIGINT; -- when a mail about its failure was put into the outbox, or was found not to be wanted
CREATE INDEX payments_failed_untold ON payments (stripe_key) WHERE status = 'failed' AND failure_told_at IS NULL;

ALTER TABLE refunds ADD COLUMN told_at BIGINT; -- when a mail about it was put into the outbox, or was found not to be wanted
CREATE INDEX refunds_untold ON refunds (stripe_refund_id) WHERE status = 'succeeded' AND told_at IS NULL;

ALTER TABLE pledges ADD COLUMN end_told_at BIGINT; -- when a mail about its end was put into the outbox, or was found not to be wanted
CREATE INDEX pledges_ended_untold ON pledges (id) WHERE ended_at IS NOT NULL AND end_told_at IS NULL;

ALTER TABLE pledges ADD COLUMN renewal_told_for BIGINT; -- the renewal its donor was last written to about
CREATE INDEX pledges_renewing ON pledges (id) WHERE frequency = 'annual' AND status = 'active';
