-- Thanks and receipts are put into the outbox once a payment is in the books. This says for which ones that was done.

ALTER TABLE payments ADD COLUMN receipt_at BIGINT; -- when its donor's mail was put into the outbox, or was found not to be wanted
CREATE INDEX payments_without_receipt ON payments (succeeded_at) WHERE receipt_at IS NULL AND succeeded_at IS NOT NULL;
