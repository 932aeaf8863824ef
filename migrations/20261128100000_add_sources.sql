-- What reports need beyond the sums: when a payment failed at first, an order to export payments in, and where gifts come
-- from, so that of each campaign no more than 200 sources are told apart.

ALTER TABLE payments ADD COLUMN failed_at BIGINT; -- when the first attempt on it failed, whatever came of it later
CREATE INDEX payments_by_failure ON payments (failed_at) WHERE failed_at IS NOT NULL;

CREATE INDEX payments_by_day_and_id ON payments (day, id);
DROP INDEX payments_by_day;

CREATE TABLE sources (
    campaign TEXT NOT NULL REFERENCES campaigns (slug), -- the campaign the gifts were begun in
    source TEXT NOT NULL,                               -- where on the site they were begun; never ''
    PRIMARY KEY (campaign, source)
);
INSERT INTO sources (campaign, source) SELECT DISTINCT campaign, source FROM pledges WHERE source <> '';

-- It only adds: the release before may run beside it.
UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
