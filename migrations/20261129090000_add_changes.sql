-- What donors and the newsroom change of a recurring pledge: another amount, another interval, a pause.
-- Programs since 20261126130000 may run beside it: they read neither column, and know no such kinds of action.

ALTER TABLE actions ADD COLUMN frequency TEXT;    -- how often it is to be given, monthly | annual; null for all but a change of that
ALTER TABLE actions ADD COLUMN resumes_at BIGINT; -- when the pause that was asked for ends; null for all but a pause

UPDATE instance SET value = '20261126130000' WHERE name = 'oldest_program';
