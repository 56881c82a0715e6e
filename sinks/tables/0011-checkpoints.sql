-- State of the partitions of pipelines. Identity: pipeline, topic, partition, next, name: a name's JSON as it was when
-- the records before `next` had been worked on, which is the same whoever computed it. The row named '' is the manifest,
-- written last: without it the others of the same `next` do not count. `whole`: where the newest whole state stands.
CREATE TABLE checkpoints (
  pipeline LowCardinality(String),
  topic LowCardinality(String),
  partition UInt32,
  next UInt64,
  name String,
  json String CODEC(ZSTD(1)),
  gone Bool,
  whole UInt64,
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree
ORDER BY (pipeline, topic, partition, next, name)
SETTINGS non_replicated_deduplication_window = 1000;
