-- A campaign as a newsroom sets it up, and what a donor adds to a gift so that the payment fee takes nothing from it.

ALTER TABLE campaigns ADD COLUMN default_language TEXT NOT NULL DEFAULT 'en'; -- en | ru; taken when the reader's is not offered
ALTER TABLE campaigns ADD COLUMN statement TEXT;              -- what the donor's bank statement will show, null when not said
ALTER TABLE campaigns ADD COLUMN methods TEXT NOT NULL DEFAULT 'card'; -- ways to pay that the form names, parted by spaces
ALTER TABLE campaigns ADD COLUMN accent TEXT;                 -- colour of the button, #rrggbb, null: ours
ALTER TABLE campaigns ADD COLUMN logo TEXT;                   -- picture above the giving page, as a data: address
ALTER TABLE campaigns ADD COLUMN policy_url TEXT;             -- the newsroom's privacy policy
ALTER TABLE campaigns ADD COLUMN newsletter_preview_url TEXT; -- an issue of the newsletter to look at
ALTER TABLE campaigns ADD COLUMN return_origins TEXT NOT NULL DEFAULT ''; -- donors return to these only, parted by spaces; '': to all allowed ones
ALTER TABLE campaigns ADD COLUMN starts_at BIGINT;            -- no gifts before, null: always open
ALTER TABLE campaigns ADD COLUMN ends_at BIGINT;              -- no gifts from then on, null: never ends

CREATE TABLE campaign_texts (
    campaign TEXT NOT NULL REFERENCES campaigns (slug), -- the campaign these texts are for
    language TEXT NOT NULL,                             -- en | ru
    name TEXT,                                          -- its heading, null: the campaign's name
    lead TEXT,                                          -- the sentence under it, null: ours
    warning TEXT,                                       -- shown above the form, null: nothing
    thanks TEXT,                                        -- said once the gift has come, null: ours
    PRIMARY KEY (campaign, language)
);

CREATE TABLE campaign_fees (
    campaign TEXT NOT NULL REFERENCES campaigns (slug), -- the campaign whose donors may cover the fee
    currency TEXT NOT NULL,                             -- ISO 4217, upper case
    percent_hundredths BIGINT NOT NULL,                 -- the part of the fee that grows with the gift, in 1/100 %
    fixed_minor BIGINT NOT NULL,                        -- the part that does not, in minor units
    PRIMARY KEY (campaign, currency)
);

ALTER TABLE pledges ADD COLUMN cover_minor BIGINT NOT NULL DEFAULT 0; -- what is added to amount_minor to cover the payment fee
ALTER TABLE pledges ADD COLUMN total_minor BIGINT NOT NULL DEFAULT 0; -- what is charged each time: amount_minor and cover_minor
UPDATE pledges SET total_minor = amount_minor;
