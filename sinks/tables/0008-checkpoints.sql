-- State and next offset of each partition of each pipeline. Identity: pipeline, topic, partition, generation, entry, save.
-- Writing twice is harmless: only what a manifest (the row whose entry is empty) names counts, and it is written last.
-- A generation begins with a full checkpoint and is a partition of its own, so that an old one is dropped, not deleted.
CREATE TABLE IF NOT EXISTS checkpoints (
  pipeline LowCardinality(String),
  topic LowCardinality(String),
  partition UInt32,
  -- Offset of the full checkpoint it builds on.
  generation UInt64,
  entry String,
  -- The save that wrote the row: the process, and its count of saves.
  save String,
  -- Grows with every save of the partition.
  sequence UInt32,
  next UInt64,
  removed Bool,
  value String CODEC(ZSTD),
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
PARTITION BY (pipeline, topic, partition, generation)
ORDER BY (pipeline, topic, partition, generation, entry, save);
