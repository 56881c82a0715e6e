import { z } from 'zod'
import { identify } from '../identity.ts'
import { maskSecrets } from '../mask.ts'
import { defineOperator, type Event, type Step } from '../operator.ts'
import type { LogLine, Pattern, PatternedLine } from '../signal.ts'
import { messageOf } from './message.ts'
import { Scan } from './scan.ts'
import { byAge, fitsLine, type Merger, type PatternState, Tree, templateOf } from './tree.ts'
import { value } from './variability.ts'

export interface ClusterState {
  /** Lines seen. */
  lines: number
  /** The minute of event time for which `births` counts. */
  minute: number
  births: number
  patterns: Record<string, PatternState>
}

const minuteLength = 60_000
const maxExample = 1_000
/** Patterns of whose end one that is merged on tells again. */
const maxMerged = 1_000

const Config = z.strictObject({
  maxPatterns: z
    .int()
    .min(10)
    .default(2_000)
    .describe('Patterns remembered per service; over it, those unused for longest are forgotten.'),
  maxTokens: z
    .int()
    .min(2)
    .default(200)
    .describe('Words and marks of punctuation of a line that are looked at; the rest counts as one.'),
  maxBirths: z
    .int()
    .min(1)
    .default(1_000)
    .describe(
      'Unknown lines looked into per service and minute of event time; over it, unknown lines get the pattern <*>.',
    ),
})
type Config = z.output<typeof Config>

/** What belongs to a state and is made anew from it after a restart. */
interface Known {
  readonly tree: Tree
  /** Patterns without open places by the key of their lines: most lines are known by it. Emptied when a pattern goes. */
  readonly lines: Map<number, PatternState>
}

/**
 * Gives each log line its pattern, and says when a pattern is born, widened or merged. Run it in order, keyed by service:
 * the patterns depend on the order of the lines. A pattern's id is `identify(environment, service, birth template)`, so
 * it is the same wherever the same lines are read. Secrets are masked first: neither the line it gives on, nor the
 * template, nor the example has them.
 *
 * A body that is a JSON object is clustered by its message. Lines of one shape (equal but for values: numbers, addresses,
 * paths...) are one pattern from the start. Where patterns differ in one word alone, and in more words than lists of
 * constants have, that place is a variable: the oldest takes the place of the others, and each of those says so with `into`.
 */
export const cluster = defineOperator({
  name: 'cluster',
  summary: 'Gives each log line of a service the pattern it belongs to.',
  config: Config,
  version: 2,
  // Patterns of version 1 were cut into other words; they are found anew.
  upgrade: () => undefined,
  examples: [
    {
      title: 'a word that differs from line to line becomes a variable, and the first pattern takes the others in',
      config: {},
      given: [
        { key: 'prod/shop', time: 0, value: lineOf('user anna logged in from 10.0.0.1') },
        { key: 'prod/shop', time: 1, value: lineOf('user bert logged in from 10.0.0.2') },
      ],
      gives: [
        { type: 'pattern', version: 1, template: 'user anna logged in from <*>', severity: 9, firstSeen: 0 },
        { type: 'line', body: 'user anna logged in from 10.0.0.1' },
        { type: 'pattern', version: 2, template: 'user <*> logged in from <*>', firstSeen: 0 },
        { type: 'line', body: 'user bert logged in from 10.0.0.2' },
      ],
    },
  ],
  create: config => {
    const ofStates = new WeakMap<ClusterState, Known>()
    const scan = new Scan(config.maxTokens)
    return {
      init: (): ClusterState => ({ lines: 0, minute: 0, births: 0, patterns: {} }),
      step(state: ClusterState, event: Event<LogLine>): Step<ClusterState, PatternedLine | Pattern> {
        let known = ofStates.get(state)
        if (known === undefined) {
          known = { tree: new Tree(Object.values(state.patterns)), lines: new Map() }
          ofStates.set(state, known)
        }
        const body = maskSecrets(event.value.body)
        const message = messageOf(event.value.body)
        scan.read(message === undefined ? body : maskSecrets(message))
        let told: Pattern[] | undefined
        let pattern = known.lines.get(scan.key)
        if (pattern === undefined || !fitsLine(pattern.words, scan)) pattern = known.tree.findOpen(scan)
        if (pattern === undefined) {
          told = []
          pattern = assign(config, state, known, { ...event, value: { ...event.value, body } }, scan, told)
        }
        pattern.used = ++state.lines
        const line: PatternedLine = { ...event.value, type: 'line', body, pattern: pattern.id }
        if (told === undefined) return [state, [line]]
        forget(config, state, known)
        return [state, [...told, line]]
      },
    }
  },
})

function lineOf(body: string): LogLine {
  return { type: 'log', environment: 'prod', service: 'shop', severity: 9, body, attributes: {} }
}

/** The pattern of a line like none before: one known under another key, one that it widens, or a new one. */
function assign(
  config: Config,
  state: ClusterState,
  known: Known,
  event: Event<LogLine>,
  scan: Scan,
  told: Pattern[],
): PatternState {
  const words = scan.words()
  const found = known.tree.find(words)
  if (found !== undefined) {
    known.lines.set(scan.key, found)
    return found
  }
  const flood = isFlood(config, state, event.time)
  const rest = flood ? known.tree.find([value]) : undefined
  if (rest !== undefined) return rest
  const merger = flood ? undefined : known.tree.merge(words)
  if (merger !== undefined) return merge(state, known, event, merger, told)
  let candidate = bear(event, flood ? [value] : words)
  // Other words may have the same text: those of a line that has `<*>` in it.
  if (state.patterns[candidate.id] !== undefined) candidate = { ...candidate, id: identify(candidate.id, ...words) }
  state.patterns[candidate.id] = candidate
  known.tree.add(candidate)
  if (!flood) known.lines.set(scan.key, candidate)
  told.push(patternOf(event, candidate))
  return candidate
}

/** Makes one pattern of several: the oldest, which keeps its name. */
function merge(
  state: ClusterState,
  { tree, lines }: Known,
  event: Event<LogLine>,
  { words, patterns }: Merger,
  told: Pattern[],
): PatternState {
  const [first, ...others] = patterns.sort(byAge) as [PatternState, ...PatternState[]]
  for (const pattern of patterns) tree.remove(pattern)
  first.words = words
  first.template = templateOf(words)
  first.version++
  const merged = { ...first.merged }
  for (const { id, version, merged: earlier } of others) {
    Object.assign(merged, earlier, { [id]: version })
    delete state.patterns[id]
  }
  told.push(patternOf(event, first))
  // Those that were merged before are told again, so that a reader need not follow from one to the next.
  for (const [id, version] of Object.entries(merged)) {
    merged[id] = version + 1
    told.push({ ...patternOf(event, first), pattern: id, version: version + 1, into: first.id })
  }
  if (others.length > 0) first.merged = Object.fromEntries(Object.entries(merged).slice(-maxMerged))
  tree.add(first)
  lines.clear()
  return first
}

function patternOf({ value }: Event<LogLine>, { id, version, template, severity, firstSeen }: PatternState): Pattern {
  const { environment, service, body } = value
  const example = body.length > maxExample ? `${body.slice(0, maxExample)}…` : body
  return { type: 'pattern', environment, service, pattern: id, version, template, severity, example, firstSeen }
}

/** Whether unknown lines come in such numbers that they are not looked into any more. */
function isFlood(config: Config, state: ClusterState, time: number): boolean {
  const minute = Math.floor(time / minuteLength)
  if (minute !== state.minute) {
    state.minute = minute
    state.births = 0
  }
  if (state.births >= config.maxBirths) return true
  state.births++
  return false
}

function bear({ time, value: line }: Event<LogLine>, words: string[]): PatternState {
  const template = templateOf(words)
  const id = identify(line.environment, line.service, template)
  return { id, template, words, version: 1, severity: line.severity, firstSeen: time, used: 0 }
}

/** Keeps at most `maxPatterns`: a tenth is forgotten at once, so that a service over the limit does not sort for each line. */
function forget(config: Config, state: ClusterState, { tree, lines }: Known): void {
  if (tree.size <= config.maxPatterns) return
  const patterns = Object.values(state.patterns).sort((a, b) => a.used - b.used)
  for (const pattern of patterns.slice(0, Math.ceil(config.maxPatterns / 10))) {
    tree.remove(pattern)
    delete state.patterns[pattern.id]
  }
  lines.clear()
}
