-- Parts of records that could not be read or worked on. Identity: topic, partition, position, part.
CREATE TABLE dead_letters (
  topic LowCardinality(String),
  partition UInt32,
  position UInt64,
  part UInt32,
  reason LowCardinality(String),
  detail String,
  value String CODEC(ZSTD(1)) COMMENT 'base64 of the first 64 KiB',
  bytes UInt64,
  headers Map(LowCardinality(String), String),
  appended_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, position, part)
SETTINGS non_replicated_deduplication_window = 1000;
