-- State and next offset of each partition of each pipeline. Identity: pipeline, topic, partition, generation, sequence, save,
-- block.
-- Writing twice is harmless: only what a manifest (block 0) names counts, and it is written last.
-- A generation begins with a full checkpoint and is a partition of its own, so that an old one is dropped, not deleted.
CREATE TABLE IF NOT EXISTS checkpoints (
  pipeline LowCardinality(String),
  topic LowCardinality(String),
  partition UInt32,
  -- Offset of the full checkpoint it builds on.
  generation UInt64,
  -- Grows with every save of the partition.
  sequence UInt32,
  -- The save that wrote the row: the process, and its count of saves.
  save String,
  -- 0: the manifest. Else entries, one a line: a name in quotes, a tab, and its JSON, or nothing if it is gone; packed by zstd
  -- and written in base64.
  block UInt32,
  next UInt64,
  value String CODEC(ZSTD),
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
PARTITION BY (pipeline, topic, partition, generation)
ORDER BY (pipeline, topic, partition, generation, sequence, save, block);
