import type { Config } from '../config.ts'
import type { ReplayRequest } from '../replay.ts'
import type { IncidentReplayResult } from '../replays/incident-replay.ts'
import { type Call, CommandError, type Context, UsageError } from './command.ts'
import { columns } from './help.ts'
import { printable } from './printable.ts'
import { timeOf } from './times.ts'

/**
 * `replay --into`: runs what was recorded again and prints what differs.
 * @throws {CommandError} if something does, so that the command ends with 1
 */
export async function replayInto(call: Call, context: Context, config: Config, files: ReplayRequest): Promise<void> {
  const [from, to] = [timeOf(call, 'from'), timeOf(call, 'to')]
  if (from !== undefined && to !== undefined && from >= to)
    throw new UsageError(`--from ${call.text('from')} is not before --to ${call.text('to')}`)
  const { replayIncidents } = await import('../replays/incident-replay.ts')
  const { logger, signal, onProgress } = files
  const result = await replayIncidents(config, {
    into: call.text('into')!,
    fresh: call.is('fresh'),
    logger,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(files.logs.length + files.metrics.length > 0 ? { files } : {}),
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  })
  context.out(call.is('json') ? `${JSON.stringify(result)}\n` : told(result))
  const { length } = result.differences
  if (length > 0)
    throw new CommandError(`${length} ${length === 1 ? 'thing differs' : 'things differ'} from what was recorded`)
}

function told(result: IncidentReplayResult): string {
  const { into, from, to, retainedSince, cut, recorded, replayed, differences } = result
  const since = retainedSince === null ? '' : `The log holds what it took since ${instant(retainedSince)}. `
  const lacking = cut
    ? 'Older records have been removed, so at first the baselines know less than they did, and results may differ.'
    : ''
  const notes = `${since}${lacking}`.trim()
  const span = `${from === 0 ? 'the beginning' : instant(from)} to ${Number.isFinite(to) ? instant(to) : 'the end'}`
  const rows = differences.map(({ id, environment, what, recorded, replayed }) =>
    [id, environment, what, recorded ?? 'none', replayed ?? 'none'].map(printable),
  )
  return [
    ...(notes ? [notes] : []),
    `Compared from ${span}; the replay's tables are in database ${into}.`,
    columns(
      ['', 'recorded', 'replayed'],
      [
        ['incidents', String(recorded.incidents), String(replayed.incidents)],
        ['planned actions', String(recorded.actions), String(replayed.actions)],
      ],
    ),
    '',
    rows.length === 0 ? 'No difference.' : columns(['id', 'environment', 'what', 'recorded', 'replayed'], rows),
    '',
  ].join('\n')
}

const instant = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
