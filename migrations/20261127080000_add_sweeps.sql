-- Looking at Stripe for what its webhooks did not bring, and how long nothing was heard.

CREATE TABLE marks (
    name TEXT NOT NULL PRIMARY KEY, -- what: webhook_received | swept_until | sweep_finished
    at BIGINT NOT NULL              -- when; unix seconds, by Stripe's clock for swept_until, else by ours
);

CREATE TABLE sweeps (
    name TEXT NOT NULL PRIMARY KEY, -- which sweep; there is one at a time: stripe
    lease_token TEXT,               -- the process that is at it
    lease_until BIGINT NOT NULL,    -- when its hold ends by itself
    stage TEXT,                     -- the list it is reading, null while no sweep is under way
    after_id TEXT,                  -- the Stripe object after which that list goes on, null at its beginning
    from_at BIGINT NOT NULL,        -- Stripe's time from which this sweep reads
    until_at BIGINT NOT NULL,       -- Stripe's time at which it began: all before it is known once it has ended
    objects_from_at BIGINT          -- from when objects are read too, null where events tell everything
);
INSERT INTO sweeps (name, lease_until, from_at, until_at) VALUES ('stripe', 0, 0, 0);

ALTER TABLE pledges ADD COLUMN looked_up_at BIGINT; -- when Stripe was last asked how an overdue pledge stands
ALTER TABLE pledges ADD COLUMN adopted_at BIGINT; -- when it was taken over from the account as it was before, null for those made here
