-- Dead letters that were sent in again, and when. Identity: that of the dead letter.
-- Writing twice is harmless: a row replaces its equal.
CREATE TABLE IF NOT EXISTS dead_replays (
  topic LowCardinality(String),
  partition UInt32,
  offset UInt64,
  `index` UInt32,
  step LowCardinality(String),
  origin_stream LowCardinality(String),
  replayed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset, `index`, step, origin_stream)
SETTINGS non_replicated_deduplication_window = 10000;
