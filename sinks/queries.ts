import { z } from 'zod'
import { Control } from '../operators/control.ts'
import { Anomaly, Incident, IncidentState, RunState, Severity } from '../operators/signal.ts'
import { bodyOf, query } from './query.ts'

// The named reads of the API. A filter that is not given is bound as '' or 0 and then lets every row through.

const at = z.number().describe('Milliseconds since 1970 UTC.')

export const incidents = query({
  name: 'incidents',
  summary: 'Incidents as they stand, newest first.',
  params: z.strictObject({
    environment: z.string().optional(),
    service: z.string().optional(),
    state: IncidentState.optional(),
    severity: Severity.optional(),
    since: z.number().optional(),
    cursor: z.object({ time: z.number(), id: z.string() }).optional(),
    limit: z.int(),
  }),
  row: bodyOf(Incident),
  sql: `
    SELECT body
    FROM incidents FINAL
    WHERE ({environment:String} = '' OR environment = {environment:String})
      AND ({service:String} = '' OR has(services, {service:String}))
      AND ({state:String} = '' OR state = {state:String})
      AND ({severity:String} = '' OR severity = {severity:String})
      AND detected_at >= fromUnixTimestamp64Milli({since:Int64})
      AND ({before:Int64} = 0 OR (detected_at, id) < (fromUnixTimestamp64Milli({before:Int64}), {beforeId:String}))
    ORDER BY detected_at DESC, id DESC
    LIMIT {limit:UInt32}`,
  bind: ({ environment = '', service = '', state = '', severity = '', since = 0, cursor, limit }) => ({
    environment,
    service,
    state,
    severity,
    since,
    before: cursor?.time ?? 0,
    beforeId: cursor?.id ?? '',
    limit,
  }),
})

export const incident = query({
  name: 'incident',
  summary: 'One incident as it stands.',
  params: z.strictObject({ id: z.string() }),
  row: bodyOf(Incident),
  sql: 'SELECT body FROM incidents FINAL WHERE id = {id:String} LIMIT 1',
})

export const TimelineEntry = z.strictObject({
  at,
  version: z.int(),
  change: Incident.shape.change,
  state: IncidentState,
  severity: Severity,
  text: z.string().describe('One sentence.'),
})

export const timeline = query({
  name: 'timeline',
  summary: 'What happened to one incident, oldest first.',
  params: z.strictObject({ environment: z.string(), incident: z.string() }),
  row: TimelineEntry,
  sql: `
    SELECT toUnixTimestamp64Milli(at) AS at, version, change, state, severity, text
    FROM incident_events FINAL
    WHERE environment = {environment:String} AND incident = {incident:String}
    ORDER BY version
    LIMIT 1000`,
})

export const anomaliesOf = query({
  name: 'anomalies-of',
  summary: 'The anomalous windows of some signals between two times, oldest first.',
  params: z.strictObject({ environment: z.string(), signals: z.array(z.string()), from: z.number(), to: z.number() }),
  row: bodyOf(Anomaly),
  sql: `
    SELECT body
    FROM anomalies FINAL
    WHERE environment = {environment:String} AND signal IN {signals:Array(String)} AND score >= 1
      AND \`end\` > fromUnixTimestamp64Milli({from:Int64}) AND \`end\` <= fromUnixTimestamp64Milli({to:Int64})
    ORDER BY \`end\`, id
    LIMIT 1000`,
})

export const RunSummary = z.strictObject({
  run: z.string(),
  environment: z.string(),
  service: z.string(),
  target: z.string().describe('environment/service its actions are for.'),
  incident: z.string(),
  runbook: z.string(),
  mode: z.string().describe('observe, suggest, approve or auto; empty until it is planned.'),
  state: RunState,
  reason: z.string(),
  summary: z.string(),
  requestedAt: at,
  at: at.describe('When it came into this state, in milliseconds since 1970 UTC.'),
})

const runColumns = `run, environment, service, target, incident, runbook, mode, state, reason, summary,
           toUnixTimestamp64Milli(requested_at) AS requestedAt, toUnixTimestamp64Milli(at) AS at`

export const runs = query({
  name: 'runs',
  summary: 'Runs as they stand, newest first.',
  params: z.strictObject({
    environment: z.string().optional(),
    service: z.string().optional(),
    incident: z.string().optional(),
    state: RunState.optional(),
    limit: z.int(),
  }),
  row: RunSummary,
  sql: `
    SELECT ${runColumns}
    FROM runs FINAL
    WHERE ({environment:String} = '' OR environment = {environment:String})
      AND ({service:String} = '' OR service = {service:String})
      AND ({incident:String} = '' OR incident = {incident:String})
      AND ({state:String} = '' OR state = {state:String})
    ORDER BY requestedAt DESC, run
    LIMIT {limit:UInt32}`,
  bind: ({ environment = '', service = '', incident = '', state = '', limit }) => ({
    environment,
    service,
    incident,
    state,
    limit,
  }),
})

export const run = query({
  name: 'run',
  summary: 'One run as it stands.',
  params: z.strictObject({ run: z.string() }),
  row: RunSummary,
  sql: `SELECT ${runColumns} FROM runs FINAL WHERE run = {run:String} LIMIT 1`,
})

export const RunEvent = z.strictObject({
  at,
  type: z.string().describe('requested, approved, rejected, intent, result, state or verdict.'),
  accepted: z.boolean().describe('False: it did not count, being a repeat or too late.'),
  state: z.string().describe('State of the run after it.'),
  phase: z.string(),
  step: z.int().describe('-1: not about a step.'),
  stepName: z.string(),
  outcome: z.string(),
  reason: z.string(),
  summary: z.string(),
  output: z.string(),
})

export const runEvents = query({
  name: 'run-events',
  summary: 'What was asked for, intended and done in one run, in the order of the ledger.',
  params: z.strictObject({ run: z.string() }),
  row: RunEvent,
  sql: `
    SELECT toUnixTimestamp64Milli(at) AS at, type, accepted, state, phase, step, step_name AS stepName, outcome, reason,
           summary, output
    FROM run_events FINAL
    WHERE run = {run:String}
    ORDER BY partition, offset
    LIMIT 1000`,
})

export const controls = query({
  name: 'controls',
  summary: 'What people told the system, as it stands, in the order it was said.',
  params: z.strictObject({ limit: z.int() }),
  row: bodyOf(Control),
  sql: `
    SELECT body
    FROM (SELECT body, at, id FROM controls FINAL ORDER BY id, offset DESC LIMIT 1 BY id)
    ORDER BY at, id
    LIMIT {limit:UInt32}`,
})

export const Suppression = z.strictObject({
  environment: z.string(),
  anomaly: z.string().describe('Id of the anomaly.'),
  service: z.string(),
  signal: z.string().describe('Id of the series or pattern.'),
  subject: z.string(),
  end: at.describe('End of its window, in milliseconds since 1970 UTC.'),
  score: z.number(),
  silence: z.string().describe('Id of the control that kept it from the incidents.'),
  by: z.string().describe('Who said so.'),
  reason: z.string().describe('Why.'),
})

export const suppressions = query({
  name: 'suppressions',
  summary: 'Anomalies that a silence kept from the incidents, newest first.',
  params: z.strictObject({
    environment: z.string().optional(),
    service: z.string().optional(),
    silence: z.string().optional(),
    since: z.number().optional(),
    limit: z.int(),
  }),
  row: Suppression,
  sql: `
    SELECT environment, anomaly, service, signal, subject, toUnixTimestamp64Milli(\`end\`) AS end, score, silence, by, reason
    FROM suppressions FINAL
    WHERE ({environment:String} = '' OR environment = {environment:String})
      AND ({service:String} = '' OR service = {service:String})
      AND ({silence:String} = '' OR silence = {silence:String})
      AND suppressions.\`end\` >= fromUnixTimestamp64Milli({since:Int64})
    ORDER BY suppressions.\`end\` DESC, anomaly
    LIMIT {limit:UInt32}`,
  bind: ({ environment = '', service = '', silence = '', since = 0, limit }) => ({
    environment,
    service,
    silence,
    since,
    limit,
  }),
})

export const WholeIncident = z.strictObject({
  incident: Incident,
  timeline: z.array(TimelineEntry),
  anomalies: z.array(Anomaly).describe('Anomalous windows of its signals, oldest first, at most 1,000.'),
  runs: z.array(RunSummary),
})
export type WholeIncident = z.output<typeof WholeIncident>

/** Every query, for the test that asks each of real tables. */
export const queries = [
  incidents,
  incident,
  timeline,
  anomaliesOf,
  runs,
  run,
  runEvents,
  controls,
  suppressions,
] as const
