-- Events that came after a step had closed its books on their time. Identity: step, key, stream, position, part.
CREATE TABLE late_events (
  step LowCardinality(String),
  key String,
  stream LowCardinality(String),
  position UInt64,
  part UInt32,
  time DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree
ORDER BY (step, key, stream, position, part)
SETTINGS non_replicated_deduplication_window = 1000;
