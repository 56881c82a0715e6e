-- One row per log event. Identity: where it entered (stream, position, part). Its other columns follow from the event,
-- so writing it twice writes the same row over.
CREATE TABLE log_lines (
  stream LowCardinality(String),
  position UInt64,
  part UInt32,
  environment LowCardinality(String),
  service LowCardinality(String),
  time DateTime64(3, 'UTC'),
  severity UInt8,
  pattern String,
  body String CODEC(ZSTD(1)),
  attributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  trace_id String,
  span_id String,
  late Bool
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (environment, service, time, stream, position, part)
SETTINGS non_replicated_deduplication_window = 1000;
