-- Forgetting donors: by their clocks, or because they asked.

ALTER TABLE pledges ADD COLUMN forgotten_at BIGINT; -- from when on no snapshot and no event tells who gave it
CREATE INDEX pledges_of_nobody ON pledges (id) WHERE donor_id IS NULL AND forgotten_at IS NULL;

ALTER TABLE donors ADD COLUMN address_gone_at BIGINT; -- when their address was forgotten; email_sealed is then empty
ALTER TABLE donors ADD COLUMN forgotten_at BIGINT; -- when their indexes were forgotten too; email_index is then the row's own id
CREATE INDEX donors_remembered ON donors (id) WHERE forgotten_at IS NULL;

UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
