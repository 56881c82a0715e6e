import type { Clock } from '../../operators/clock.ts'
import { type Control, servicesId } from '../../operators/control.ts'
import type { ApiControls } from '../../sinks/api.ts'
import type { ControlDraft } from '../../sinks/control-routes.ts'
import { HttpError } from '../../sinks/http-error.ts'
import { suggestion } from '../configuration/closest.ts'
import type { Log } from '../sources/log.ts'
import type { Board } from './board.ts'
import { encodeControl, tombstone } from './record.ts'

export interface DeskOptions {
  readonly board: Board
  readonly log: Pick<Log, 'append'>
  readonly clock: Clock
  /** A name nobody else gives: random. */
  readonly nonce: () => string
  /** Names of the runbooks of this process. */
  readonly runbooks: readonly string[]
}

/** Controls that are over are kept this long in the topic, in milliseconds: by then every process has taken note. */
const KEPT = 86_400_000

/** A clock that is ahead of ours must not make "from now" a mistake; in milliseconds. */
const SLACK = 60_000

/** Where people say what the controls are. What it answers has been written and will be heeded by every process. */
export function controlDesk({ board, log, clock, nonce, runbooks }: DeskOptions): ApiControls {
  const write = async (control: Control): Promise<Control> => {
    const old = board
      .all()
      .filter(({ id, validTo }) => id !== control.id && validTo !== null && validTo < clock.now() - KEPT)
    await log.append([encodeControl(control), ...old.map(({ id }) => tombstone(id))])
    return control
  }
  return {
    async list() {
      await board.refresh()
      return board.all()
    },
    async say(draft) {
      if (draft.type === 'trust' && !runbooks.includes(draft.runbook))
        throw refusal(`runbook: no runbook '${draft.runbook}'${suggestion(draft.runbook, runbooks)}`)
      if (draft.type !== 'silence' && 'service' in draft && draft.service && !draft.environment)
        throw refusal(`service: '${draft.service}' is of which environment? give environment`)
      await board.refresh()
      return write(controlOf(draft, nonce(), clock.now()))
    },
    async end(id) {
      await board.refresh()
      const control = board.get(id)
      if (!control && !board.isUnreadable(id)) throw new HttpError('OPS_NOT_FOUND', `no control '${id}'`)
      // Of what cannot be read nothing can be told but that it is gone.
      if (!control) return log.append([tombstone(id)])
      const now = clock.now()
      if (control.validTo === null || control.validTo > now)
        await write({ ...control, validTo: Math.max(now, control.validFrom) })
    },
  }
}

const refusal = (message: string) => new HttpError('OPS_REQUEST', message)

function controlOf(draft: ControlDraft, nonce: string, now: number): Control {
  if (draft.type === 'services') return { ...draft, id: servicesId, at: now, validFrom: now, validTo: null }
  const { from, to, for: length, ...what } = draft
  if (to !== undefined && length !== undefined) throw refusal('to: given together with for; keep one of them')
  if (from !== undefined && from < now - SLACK)
    throw refusal(`from: ${instant(from)} is past, and what has happened since is not undone; leave it out for now`)
  const validFrom = Math.max(now, from ?? now)
  const validTo = to ?? (length === undefined ? null : validFrom + length)
  if (validTo !== null && validTo <= validFrom)
    throw refusal(`${to === undefined ? 'for' : 'to'}: it would end at ${instant(validTo)}, before it begins`)
  const stamp = { id: nonce, at: now, validFrom }
  if (what.type !== 'silence') return { ...what, ...stamp, validTo }
  if (validTo === null) throw refusal('for: a silence needs an end; give for, such as 2h, or to')
  return { ...what, ...stamp, validTo }
}

const instant = (time: number): string => new Date(time).toISOString()
