import { z } from 'zod'
import { identify } from '../identity.ts'
import { maskSecrets } from '../mask.ts'
import { defineOperator, type Event, type Step } from '../operator.ts'
import type { LogLine, Pattern, PatternedLine } from '../signal.ts'
import { tokenize, wildcard } from './tokenize.ts'
import { type PatternState, Tree } from './tree.ts'

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
  similarity: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe('Share of words that a line must have in common with a pattern to belong to it.'),
  maxPatterns: z
    .int()
    .min(10)
    .default(2_000)
    .describe('Patterns remembered per service; over it, those unused for longest are forgotten.'),
  maxTokens: z.int().min(2).default(100).describe('Words of a line that are looked at; the rest counts as one.'),
  maxBranches: z
    .int()
    .min(1)
    .default(50)
    .describe('Different words in one place of the prefix tree; over it, new ones are taken for variables.'),
  maxSiblings: z
    .int()
    .min(1)
    .default(100)
    .describe('Patterns compared with one line; over it, unknown lines get the pattern <*>.'),
  maxBirths: z
    .int()
    .min(1)
    .default(500)
    .describe('New patterns per service and minute of event time; over it, unknown lines get the pattern <*>.'),
})
type Config = z.output<typeof Config>

/**
 * Gives each log line its pattern, and says when a pattern is born or widened. Run it in order, keyed by service: the
 * patterns depend on the order of the lines. A pattern's id is `identify(environment, service, birth template)`, so
 * it is the same wherever the same lines are read. Secrets are masked first: neither the line it gives on, nor the
 * template, nor the example has them.
 */
export const cluster = defineOperator({
  name: 'cluster',
  summary: 'Gives each log line of a service the pattern it belongs to.',
  config: Config,
  examples: [
    {
      title: 'what differs in a later line widens the pattern and keeps its name',
      config: {},
      given: [
        { key: 'prod/shop', time: 0, value: lineOf('user anna logged in from 10.0.0.1') },
        { key: 'prod/shop', time: 1, value: lineOf('user anna walked in from 10.0.0.2') },
      ],
      gives: [
        { type: 'pattern', version: 1, template: 'user anna logged in from <*>', severity: 9, firstSeen: 0 },
        { type: 'line', body: 'user anna logged in from 10.0.0.1' },
        { type: 'pattern', version: 2, template: 'user anna <*> in from <*>', firstSeen: 0 },
        { type: 'line', body: 'user anna walked in from 10.0.0.2' },
      ],
    },
  ],
  create: config => {
    // The tree belongs to the state and is grown again from it after a restart.
    const trees = new WeakMap<ClusterState, Tree>()
    return {
      init: (): ClusterState => ({ lines: 0, minute: 0, births: 0, patterns: {} }),
      step(state: ClusterState, event: Event<LogLine>): Step<ClusterState, PatternedLine | Pattern> {
        let tree = trees.get(state)
        if (tree === undefined) {
          tree = new Tree(Object.values(state.patterns), config.maxBranches)
          trees.set(state, tree)
        }
        return [state, assign(config, state, tree, event)]
      },
    }
  },
})

function lineOf(body: string): LogLine {
  return { type: 'log', environment: 'prod', service: 'shop', severity: 9, body, attributes: {} }
}

function assign(config: Config, state: ClusterState, tree: Tree, event: Event<LogLine>): (PatternedLine | Pattern)[] {
  const { value } = event
  const body = maskSecrets(value.body)
  const tokens = tokenize(body, config.maxTokens)
  let pattern = tree.find(tokens, config.similarity)
  let told = false
  if (pattern === undefined) {
    const candidate = bear(config, state, tree, event, tokens)
    const known = state.patterns[candidate.id]
    pattern = known ?? candidate
    if (known === undefined) {
      state.patterns[candidate.id] = candidate
      tree.add(candidate)
      told = true
    }
  } else if (tree.widen(pattern, tokens)) {
    pattern.version++
    told = true
  }
  pattern.used = ++state.lines
  const line: PatternedLine = { ...value, type: 'line', body, pattern: pattern.id }
  if (!told) return [line]
  if (pattern.version === 1) forget(config, state, tree)
  const { environment, service } = value
  const { id, version, template, severity, firstSeen } = pattern
  const example = body.length > maxExample ? `${body.slice(0, maxExample)}…` : body
  return [{ type: 'pattern', environment, service, pattern: id, version, template, severity, example, firstSeen }, line]
}

/** A pattern for words that are like none known: their own, or `<*>` if unknown lines come in floods. */
function bear(
  config: Config,
  state: ClusterState,
  tree: Tree,
  { time, value }: Event<LogLine>,
  tokens: readonly string[],
): PatternState {
  const minute = Math.floor(time / minuteLength)
  if (minute !== state.minute) {
    state.minute = minute
    state.births = 0
  }
  const { route, siblings } = tree.routeOf(tokens)
  const flood = state.births >= config.maxBirths || siblings >= config.maxSiblings
  if (!flood) state.births++
  const template = flood ? wildcard : tokens.join(' ')
  return {
    id: identify(value.environment, value.service, template),
    template,
    route: flood ? tree.routeOf([wildcard]).route : route,
    version: 1,
    severity: value.severity,
    firstSeen: time,
    used: 0,
  }
}

/** Keeps at most `maxPatterns`: a tenth is forgotten at once, so that a service over the limit does not sort for each line. */
function forget(config: Config, state: ClusterState, tree: Tree): void {
  const patterns = Object.values(state.patterns)
  if (patterns.length <= config.maxPatterns) return
  patterns.sort((a, b) => a.used - b.used)
  for (const pattern of patterns.slice(0, Math.ceil(config.maxPatterns / 10))) {
    tree.remove(pattern)
    delete state.patterns[pattern.id]
  }
}
