-- What could not be read, or not be worked on, and why. Identity: topic, partition, offset, index; of an event also the
-- step and the stream it came from.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS dead_letters (
  topic LowCardinality(String),
  partition UInt32,
  -- Of the record in the partition; of an event in its origin stream.
  offset UInt64,
  -- Position of the unreadable part in the record.
  `index` UInt32,
  -- Of an event that a step failed on: pipeline.step, and where the event entered. Else empty.
  step LowCardinality(String),
  origin_stream LowCardinality(String),
  reason LowCardinality(String),
  detail String CODEC(ZSTD(3)),
  -- The record's bytes in base64, no more than the first 65,536 of them. With its headers in the row of its first
  -- unreadable part only.
  value String CODEC(ZSTD(3)),
  -- How many bytes the record had; null: it had no value.
  value_bytes Nullable(UInt64),
  headers Map(String, String),
  appended_at DateTime64(3, 'UTC'),
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(appended_at)
ORDER BY (topic, partition, offset, `index`, step, origin_stream);

-- Events that came after their step had passed their time. Identity: step, key, and where the event entered.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS late_events (
  -- pipeline.step
  step LowCardinality(String),
  key String,
  time DateTime64(3, 'UTC'),
  origin_stream LowCardinality(String),
  origin_offset UInt64,
  origin_index UInt32,
  -- The event's value as JSON, no more than its first 65,536 characters.
  value String CODEC(ZSTD(3)),
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, key, origin_stream, origin_offset, origin_index);
