-- One row per run as it stands. Identity: run.
-- Writing twice is harmless: the row of the highest version wins, and equal versions are equal rows.
CREATE TABLE IF NOT EXISTS runs (
  run String,
  -- How many records of the ledger count for it.
  version UInt32,
  environment LowCardinality(String),
  service LowCardinality(String),
  -- environment/service its actions are for.
  target LowCardinality(String),
  incident String,
  runbook LowCardinality(String),
  -- observe, suggest, approve or auto; empty until it is planned.
  mode LowCardinality(String),
  state LowCardinality(String),
  reason LowCardinality(String),
  summary String,
  requested_at DateTime64(3, 'UTC'),
  -- When it came into this state.
  at DateTime64(3, 'UTC'),
  -- The whole run as JSON.
  body String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY run;

-- The journal: every record of the ledger of runs. Identity: its place in the ledger, partition and offset.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS run_events (
  partition UInt32,
  offset UInt64,
  run String,
  target LowCardinality(String),
  environment LowCardinality(String),
  service LowCardinality(String),
  runbook LowCardinality(String),
  incident String,
  -- requested, approved, rejected, intent, result, state or verdict.
  type LowCardinality(String),
  -- False: the record did not count, being a repeat or too late.
  accepted Bool,
  -- State of the run after it.
  state LowCardinality(String),
  phase LowCardinality(String),
  -- -1: not about a step.
  step Int32,
  step_name String,
  outcome LowCardinality(String),
  reason LowCardinality(String),
  summary String,
  output String CODEC(ZSTD(3)),
  before String CODEC(ZSTD(3)),
  after String CODEC(ZSTD(3)),
  at DateTime64(3, 'UTC'),
  INDEX by_run run TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (partition, offset);
