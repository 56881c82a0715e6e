-- One row per incident as it stands. Identity: environment, id.
-- Writing twice is harmless: the row of the highest version wins, and equal versions are equal rows.
CREATE TABLE IF NOT EXISTS incidents (
  environment LowCardinality(String),
  id String,
  version UInt32,
  state LowCardinality(String),
  severity LowCardinality(String),
  title String,
  -- Why this version was written.
  change LowCardinality(String),
  services Array(LowCardinality(String)),
  -- The cause ranked first; empty: insufficient evidence.
  cause_service LowCardinality(String),
  cause_subject String,
  cause_confidence Float64,
  fault_at Nullable(DateTime64(3, 'UTC')),
  detected_at DateTime64(3, 'UTC'),
  identified_at Nullable(DateTime64(3, 'UTC')),
  mitigated_at Nullable(DateTime64(3, 'UTC')),
  resolved_at Nullable(DateTime64(3, 'UTC')),
  closed_at Nullable(DateTime64(3, 'UTC')),
  updated_at DateTime64(3, 'UTC'),
  -- The whole incident as JSON.
  body String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (environment, id);

-- Every version of every incident: its timeline. Identity: environment, incident, version.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS incident_events (
  environment LowCardinality(String),
  incident String,
  version UInt32,
  at DateTime64(3, 'UTC'),
  change LowCardinality(String),
  state LowCardinality(String),
  severity LowCardinality(String),
  -- One sentence for the timeline.
  text String,
  -- The whole incident as it was then, as JSON.
  body String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (environment, incident, version);
