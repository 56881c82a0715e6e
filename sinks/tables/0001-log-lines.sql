-- One row per log event. Identity: where it entered (origin_stream, origin_offset, origin_index), from which environment,
-- service and time follow; they stand first because reads ask for them.
-- Writing twice is harmless: a row written again replaces its equal.
CREATE TABLE IF NOT EXISTS log_lines (
  environment LowCardinality(String),
  service LowCardinality(String),
  time DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  -- OpenTelemetry's number, 1-24; 0 is unknown.
  severity UInt8,
  -- Its text is in log_patterns.
  pattern LowCardinality(String),
  body String CODEC(ZSTD(3)),
  attributes Map(LowCardinality(String), String) CODEC(ZSTD),
  trace_id String CODEC(ZSTD),
  span_id String CODEC(ZSTD),
  origin_stream LowCardinality(String),
  origin_offset UInt64 CODEC(Delta, ZSTD),
  origin_index UInt32,
  INDEX by_trace trace_id TYPE bloom_filter GRANULARITY 4,
  INDEX by_value mapValues(attributes) TYPE bloom_filter GRANULARITY 4,
  -- For `lower(body) LIKE`, in blocks of 8,192 lines: whole words, which tell a number or an id; parts of words, of four
  -- characters; and pairs of characters, for a part of a run in scripts without spaces.
  INDEX by_word lower(body) TYPE tokenbf_v1(16384, 3, 0) GRANULARITY 1,
  INDEX by_part lower(body) TYPE ngrambf_v1(4, 65536, 3, 0) GRANULARITY 1,
  INDEX by_pair lower(body) TYPE ngrambf_v1(2, 16384, 2, 0) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(time)
ORDER BY (environment, service, time, origin_stream, origin_offset, origin_index);
