import { z } from 'zod'
import { identify } from '../identity.ts'
import { maskSecrets } from '../mask.ts'
import { defineOperator, type Event, type Step } from '../operator.ts'
import type { LogLine, Pattern, PatternedLine } from '../signal.ts'
import { Scan } from './scan.ts'
import { fitsLine, type PatternState, Tree, templateOf } from './tree.ts'
import { isOpen, value } from './variability.ts'

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
  maxSiblings: z
    .int()
    .min(1)
    .default(1_000)
    .describe('Patterns with one number of words; over it, unknown lines get the pattern <*>.'),
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
 * Lines of one shape (equal but for values: numbers, addresses, paths...) are one pattern from the start. Where patterns
 * differ in one word alone, and in as many words as no list of constants has, that place is a variable: the oldest
 * takes the place of the others, and each of those says so with `into`.
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
        scan.read(body)
        const told: Pattern[] = []
        const { key } = scan
        let pattern = known.lines.get(key)
        if (pattern === undefined || !fitsLine(pattern.words, scan)) pattern = known.tree.findOpen(scan)
        if (pattern === undefined) {
          pattern = assign(config, state, known, event, scan.tokens(), body, told)
          if (!pattern.words.some(isOpen)) known.lines.set(key, pattern)
        }
        pattern.used = ++state.lines
        if (told.length > 0) forget(config, state, known)
        const line: PatternedLine = { ...event.value, type: 'line', body, pattern: pattern.id }
        return [state, told.length === 0 ? [line] : [...told, line]]
      },
    }
  },
})

function lineOf(body: string): LogLine {
  return { type: 'log', environment: 'prod', service: 'shop', severity: 9, body, attributes: {} }
}

/** The pattern of words that no line had before: one that they fit, a new one, or one that they widen. */
function assign(
  config: Config,
  state: ClusterState,
  known: Known,
  event: Event<LogLine>,
  words: string[],
  body: string,
  told: Pattern[],
): PatternState {
  const { tree } = known
  const found = tree.find(words)
  if (found !== undefined) return found
  const flood = isFlood(config, state, tree, event.time, words.length)
  const example = body.length > maxExample ? `${body.slice(0, maxExample)}…` : body
  const tell = (pattern: PatternState, into?: string, id = pattern.id): void => {
    const { version, severity, firstSeen } = pattern
    const { environment, service } = event.value
    const told_: Pattern = {
      type: 'pattern',
      environment,
      service,
      pattern: id,
      version,
      template: pattern.template,
      severity,
      example,
      firstSeen,
    }
    told.push(into === undefined ? told_ : { ...told_, into })
  }
  const merge = flood ? undefined : tree.merge(words)
  if (merge !== undefined) {
    const [first, ...others] = merge.patterns.sort((a, b) => a.firstSeen - b.firstSeen || (a.id < b.id ? -1 : 1))
    for (const pattern of merge.patterns) tree.remove(pattern)
    first!.words = merge.words
    first!.template = templateOf(merge.words)
    first!.version++
    tell(first!)
    for (const other of others) {
      delete state.patterns[other.id]
      other.template = first!.template
      other.version++
      tell(other, first!.id)
      first!.merged = [...(first!.merged ?? []), other.id, ...(other.merged ?? [])]
    }
    tree.add(first!)
    known.lines.clear()
    return first!
  }
  const candidate = bear(event, flood ? [value] : words)
  const before = state.patterns[candidate.id]
  if (before !== undefined) return before
  state.patterns[candidate.id] = candidate
  tree.add(candidate)
  tell(candidate)
  return candidate
}

/** Whether unknown lines come in such numbers that they are not looked into any more. */
function isFlood(config: Config, state: ClusterState, tree: Tree, time: number, length: number): boolean {
  const minute = Math.floor(time / minuteLength)
  if (minute !== state.minute) {
    state.minute = minute
    state.births = 0
  }
  if (state.births >= config.maxBirths || tree.sizeOf(length) >= config.maxSiblings) return true
  state.births++
  return false
}

function bear({ time, value }: Event<LogLine>, words: string[]): PatternState {
  const template = templateOf(words)
  const id = identify(value.environment, value.service, template)
  return { id, template, words, version: 1, severity: value.severity, firstSeen: time, used: 0 }
}

/** Keeps at most `maxPatterns`: a tenth is forgotten at once, so that a service over the limit does not sort for each line. */
function forget(config: Config, state: ClusterState, { tree, lines }: Known): void {
  const patterns = Object.values(state.patterns)
  if (patterns.length <= config.maxPatterns) return
  patterns.sort((a, b) => a.used - b.used)
  for (const pattern of patterns.slice(0, Math.ceil(config.maxPatterns / 10))) {
    tree.remove(pattern)
    delete state.patterns[pattern.id]
  }
  lines.clear()
}
