import type { Clock } from '../../operators/clock.ts'
import type { Readiness } from '../../sinks/api.ts'
import { SinkError } from '../../sinks/store.ts'
import type { Trouble } from '../runtime/retry.ts'
import { type Guard, NotCalled } from './guard.ts'

/** A door of the agent: how it is asked whether it could be used now, and what stands before it. */
export interface Door {
  readonly guard: Guard
  readonly check: () => Promise<void>
  /** Whether nothing can be done without it. */
  readonly needed: boolean
}

/** How long a look may take, in milliseconds: whoever asks for it has not much more patience. */
const LOOK = 1_000

/** For how long a door that answered well is taken to be open though it is busy now, in milliseconds. */
const FRESH = 10_000

/** How each door is: asked now, and by what those who wait for it have met. Answers in about a second, whatever hangs. */
export async function lookAt(
  doors: readonly Door[],
  troubles: ReadonlyMap<string, Trouble>,
  clock: Clock,
): Promise<Record<string, Readiness>> {
  const looks = doors.map(
    async door => [door.guard.name, await look(door, troubles.get(door.guard.name), clock)] as const,
  )
  return Object.fromEntries(await Promise.all(looks))
}

async function look({ guard, check, needed }: Door, trouble: Trouble | undefined, clock: Clock): Promise<Readiness> {
  const said = await answerOf(check, clock)
  const { breaker, since, why, answeredAt } = guard.state
  const rest = { breaker, ...(needed ? {} : { needed: false as const }) }
  if (trouble) return { ok: false, why: trouble.why, since: trouble.since, ...rest }
  if (said === 'well') return { ok: true, ...rest }
  if (said === 'late') {
    if (since === undefined && answeredAt !== undefined && clock.now() - answeredAt < FRESH)
      return { ok: true, ...rest }
    return {
      ok: false,
      why: why ?? `no answer in ${LOOK / 1_000} s`,
      since: since ?? answeredAt ?? clock.now(),
      ...rest,
    }
  }
  // What it said while it was being called tells more than that it is being left alone.
  const { message } = said
  return { ok: false, why: said instanceof NotCalled && why ? why : message, since: since ?? clock.now(), ...rest }
}

/** How something without a guard of its own is; answers in about a second. */
export async function lookWithin(check: () => Promise<void>, clock: Clock): Promise<Readiness> {
  const said = await answerOf(check, clock)
  if (said === 'well') return { ok: true }
  return { ok: false, why: said === 'late' ? `no answer in ${LOOK / 1_000} s` : said.message }
}

async function answerOf(check: () => Promise<void>, clock: Clock): Promise<'well' | 'late' | Error> {
  const answered = new AbortController()
  const late = clock.sleep(LOOK, answered.signal).then(() => 'late' as const)
  const asked = check().then(
    () => 'well' as const,
    (error: unknown) => (error instanceof SinkError ? error : new Error(String(error))),
  )
  return await Promise.race([asked, late]).finally(() => answered.abort())
}
