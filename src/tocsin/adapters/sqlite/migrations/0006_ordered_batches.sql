-- A batch that a split made of one subject's deliveries waits until the one before it is through.

ALTER TABLE batch ADD COLUMN waits_for INTEGER;
CREATE INDEX batch_by_wait ON batch (waits_for) WHERE waits_for IS NOT NULL;
