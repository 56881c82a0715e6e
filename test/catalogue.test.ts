import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { catalogue } from '../operators/catalogue.ts'
import {
  compareEvents,
  type Definition,
  Drop,
  type Event,
  type EventTime,
  type Example,
  type Logic,
  type Step,
} from '../operators/operator.ts'
import { type Window, Windowing, windowsOf } from '../operators/window.ts'

type AnyDefinition = Definition<z.ZodType, unknown, unknown, unknown>
type AnyExample = Example<unknown, unknown, unknown>
type AnyLogic = Logic<unknown, unknown, unknown>

const viaJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/**
 * Runs one operator over an example, as the engine would once its input has ended: the events of each key sorted by
 * time, timers rung between them, every window closed. `restart`: after each event the logic is made anew and the state
 * has been through JSON.
 */
function run(definition: AnyDefinition, example: AnyExample, restart: boolean): unknown[] {
  const config = definition.config.parse(example.config)
  const events = example.given.map(
    ({ key = 'key', time, value }, offset): Event<unknown> => ({
      key,
      time,
      origin: { stream: 'example', offset, index: 0 },
      value,
    }),
  )
  const windowing = example.window === undefined ? undefined : Windowing.parse(example.window)
  const outputs: { time: EventTime; output: unknown }[] = []
  for (const [key, ofKey] of Map.groupBy(events.sort(compareEvents), ({ key }) => key)) {
    let logic = definition.create(config)
    const renewed = (state: unknown): unknown => {
      if (!restart) return state
      logic = definition.create(config)
      return viaJson(state)
    }
    const emit = (time: EventTime, given: readonly unknown[]): void => {
      for (const output of given) if (!(output instanceof Drop)) outputs.push({ time, output })
    }
    if (windowing === undefined) runInOrder(() => logic, key, ofKey, renewed, emit)
    else runInWindows(() => logic, key, ofKey, windowing, renewed, emit)
  }
  return outputs.sort((a, b) => a.time - b.time).map(({ output }) => output)
}

type Renew = (state: unknown) => unknown
type Emit = (time: EventTime, outputs: readonly unknown[]) => void

function runInOrder(logic: () => AnyLogic, key: string, events: readonly Event<unknown>[], renew: Renew, emit: Emit) {
  let state: unknown = logic().init(key)
  const take = (time: EventTime, [next, outputs]: Step<unknown, unknown>): void => {
    state = renew(next === undefined ? logic().init(key) : next)
    emit(time, outputs)
  }
  const ring = (until: EventTime): void => {
    for (let rings = 0; ; rings++) {
      const at = logic().wakeAt?.(state)
      if (at === undefined || at > until) return
      assert.ok(rings < 10_000, 'a timer must move')
      take(at, logic().wake!(state, at, key))
    }
  }
  for (const event of events) {
    ring(event.time)
    take(event.time, logic().step(state, event))
  }
  // Long enough for every window under way to end, short of timers that never do.
  ring((events.at(-1)?.time ?? 0) + 3_600_000)
}

function runInWindows(
  logic: () => AnyLogic,
  key: string,
  events: readonly Event<unknown>[],
  windowing: Windowing,
  renew: Renew,
  emit: Emit,
) {
  const open = new Map<string, { window: Window; state: unknown }>()
  for (const event of events)
    for (const window of windowsOf(windowing, event.time)) {
      const name = `${window.start}-${window.end}`
      const [next, outputs] = logic().step(open.get(name)?.state ?? logic().init(key), event)
      open.set(name, { window, state: renew(next) })
      emit(event.time, outputs)
    }
  for (const { window, state } of open.values()) emit(window.end - 1, logic().close!(state, window, key))
}

const verbs = new Set([
  'cluster',
  'sample',
  'count',
  'rate',
  'summarize',
  'score',
  'watch',
  'group',
  'rank',
  'trigger',
  'verify',
])

test('no two operators have one name', () => {
  const names = catalogue.map(({ name }) => name)
  assert.deepEqual(names, [...new Set(names)])
})

for (const definition of catalogue) {
  const { name, summary, config, examples } = definition

  test(`${name}: a verb and one sentence`, () => {
    assert.ok(verbs.has(/^[a-z]+/.exec(name)![0]), `'${name}' begins with no verb of the list in this test`)
    assert.match(summary, /^[A-Z][^.]*\.$/)
  })

  test(`${name}: every field of the configuration is described, and all have defaults`, () => {
    assert.ok(config instanceof z.ZodObject)
    for (const [field, schema] of Object.entries(config.shape))
      assert.match((schema as z.ZodType).description ?? '', /^[A-Z].*\.$/, `${name}.${field} has no description`)
    assert.throws(() => config.parse({ misspelt: 1 }))
    config.parse({})
  })

  test(`${name}: its examples hold`, () => {
    assert.ok(examples.length > 0)
    for (const example of examples) {
      const given = run(definition, example, false)
      assert.equal(given.length, example.gives.length, `${example.title}: ${JSON.stringify(given, null, 1)}`)
      example.gives.forEach((expected, at) => {
        const actual = given[at] as Record<string, unknown>
        const told = Object.fromEntries(Object.keys(expected as object).map(field => [field, actual[field]]))
        assert.deepEqual(told, expected, example.title)
      })
    }
  })

  test(`${name}: its state survives JSON and a restart between any two events`, () => {
    for (const example of examples)
      assert.deepEqual(viaJson(run(definition, example, true)), viaJson(run(definition, example, false)), example.title)
  })
}
