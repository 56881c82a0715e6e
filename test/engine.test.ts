import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { defineOperator, drop, type Event } from '../operators/operator.ts'
import { hopping, session, tumbling } from '../operators/window.ts'
import { describe as describePipeline, type Graph, pipeline } from '../pipelines/pipeline.ts'
import { StepFailure } from '../pipelines/runtime/step-failure.ts'
import { Driver } from './driver.ts'

const Letter = z.object({ key: z.string(), text: z.string() })
type Letter = z.output<typeof Letter>

/** Sensitive to order: each output depends on all before it. */
const chain = defineOperator({
  name: 'chain',
  summary: 'Joins the texts of a key in the order it sees them.',
  config: z.strictObject({}),
  drops: ['blank'],
  examples: [],
  create: () => ({
    init: () => '',
    step: (state: string, event: Event<Letter>) =>
      event.value.text === ''
        ? [state, [drop('blank')]]
        : [
            (state + event.value.text).slice(-8),
            [{ key: event.value.key, text: (state + event.value.text).slice(-8) }],
          ],
  }),
})

const gather = defineOperator({
  name: 'gather',
  summary: 'Counts the events of a window.',
  config: z.strictObject({}),
  examples: [],
  create: () => ({
    init: () => 0,
    step: (n: number, _event: Event<Letter>) => [n + 1, []],
    merge: (into: number, from: number) => into + from,
    close: (n: number, window, key) => [{ key, start: window.start, end: window.end, n }],
  }),
})

/** Rings `after` milliseconds from the last event of a key. */
const ring = defineOperator({
  name: 'ring',
  summary: 'Says when a key has been quiet.',
  config: z.strictObject({ after: z.number() }),
  examples: [],
  create: ({ after }) => ({
    init: () => ({ at: null as number | null }),
    step: (_state: { at: number | null }, event: Event<Letter>) => [{ at: event.time + after }, []],
    wakeAt: (state: { at: number | null }) => state.at ?? undefined,
    wake: (_state, time, key) => [undefined, [{ key, quietAt: time }]],
  }),
})

/** Counts things by name, and lets go of those it is told to; says what it has, in its order. */
const hoard = defineOperator({
  name: 'hoard',
  summary: 'Counts things by name.',
  config: z.strictObject({}),
  examples: [],
  create: () => ({
    init: () => ({ things: {} as Record<string, number>, n: 0 }),
    step: (state: { things: Record<string, number>; n: number }, { value: { text } }: Event<Letter>) => {
      const name = text.slice(1)
      const count = Object.hasOwn(state.things, name) ? state.things[name]! : 0
      if (text.startsWith('-')) delete state.things[name]
      else
        Object.defineProperty(state.things, name, {
          value: count + 1,
          enumerable: true,
          configurable: true,
          writable: true,
        })
      state.n++
      return [state, [JSON.stringify(state)]]
    },
  }),
})

const graph = (window = tumbling(10)): Graph =>
  pipeline<Letter>({ name: 'letters', topic: 'in', schema: Letter, upstream: [] }, letters => {
    const chained = letters.through('chained', chain({}), { key: letter => letter.key })
    const row = (event: Event<unknown>) => ({ time: event.time, ...(event.value as object) })
    chained.to('chains', row)
    chained.through('gathered', gather({}), { key: letter => letter.key, window }).to('counts', row)
    chained.through('quiet', ring({ after: 25 }), { key: letter => letter.key, lateness: 3 }).to('quiet', row)
    chained.publish('out', { key: letter => letter.key })
  })

const event = (stream: string, offset: number, time: number, key: string, text: string): Event<Letter> => ({
  key,
  time,
  origin: { stream, offset, index: 0 },
  value: { key, text },
})

/** Letters of three streams; within a stream offsets grow, times wander by at most 5. */
const letters = fc
  .array(
    fc.record({
      stream: fc.constantFrom('a', 'b', 'c'),
      step: fc.integer({ min: 0, max: 12 }),
      wander: fc.integer({ min: 0, max: 5 }),
      key: fc.constantFrom('x', 'y'),
      text: fc.constantFrom('p', 'q', 'r', ''),
    }),
    { maxLength: 60 },
  )
  .map(steps => {
    let clock = 100
    return steps.map((step, offset) => {
      clock += step.step
      return event(step.stream, offset, clock - step.wander, step.key, step.text)
    })
  })

const everything = (driver: Driver) => ({
  rows: Object.fromEntries(
    [...driver.rows]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([table, rows]) => [table, rows.map(row => JSON.stringify(row)).sort()]),
  ),
  out: driver
    .published('out')
    .map(value => JSON.stringify(value))
    .sort(),
  fates: driver.fates,
})

const whole = (events: Event<Letter>[], window = tumbling(10)): ReturnType<typeof everything> => {
  const driver = new Driver(graph(window)).send(...events)
  return everything(driver.advance(10_000))
}

const windows = fc.constantFrom(tumbling(10), hopping(20, 5), session(7))

const saving = fc.array(fc.constantFrom('no', 'changes', 'all'), { maxLength: 60 })

describe('engine', () => {
  test('the order of arrival does not matter while the watermark waits', () =>
    fc.assert(
      fc.property(letters, windows, fc.infiniteStream(fc.nat()), (events, window, dice) => {
        const byStream = new Map<string, Event<Letter>[]>()
        for (const one of events) byStream.set(one.origin.stream, [...(byStream.get(one.origin.stream) ?? []), one])
        const shuffled: Event<Letter>[] = []
        while (byStream.size > 0) {
          const streams = [...byStream.keys()]
          const stream = streams[dice.next().value! % streams.length]!
          const queue = byStream.get(stream)!
          shuffled.push(queue.shift()!)
          if (queue.length === 0) byStream.delete(stream)
        }
        assert.deepEqual(whole(shuffled, window), whole(events, window))
      }),
      { numRuns: 150 },
    ))

  test('batches and watermarks cut anywhere give the same', () =>
    fc.assert(
      fc.property(letters, windows, fc.array(fc.boolean(), { maxLength: 60 }), (events, window, cuts) => {
        const driver = new Driver(graph(window))
        let newest = 0
        events.forEach((one, index) => {
          driver.send(one)
          newest = Math.max(newest, one.time)
          if (cuts[index]) driver.advance(newest - 5)
        })
        assert.deepEqual(everything(driver.advance(10_000)), whole(events, window))
      }),
      { numRuns: 150 },
    ))

  test('a crash between any two events changes nothing, whatever was saved when', () =>
    fc.assert(
      fc.property(letters, windows, fc.nat(60), saving, (events, window, at, saves) => {
        const driver = new Driver(graph(window))
        let newest = 0
        events.forEach((one, index) => {
          if (index === at) driver.crash()
          driver.send(one)
          newest = Math.max(newest, one.time)
          driver.advance(newest - 5)
          if (saves[index] === 'changes') driver.save()
          if (saves[index] === 'all') driver.saveAll()
        })
        assert.deepEqual(everything(driver.crash().advance(10_000)), whole(events, window))
      }),
      { numRuns: 200 },
    ))

  test('a state that holds very many things by name is the same after a crash, whatever was saved when', () => {
    const many = pipeline<Letter>({ name: 'm', topic: 'in', schema: Letter, upstream: [] }, letters => {
      letters.through('hoarded', hoard({}), { key: letter => letter.key }).to('hoards', ({ value }) => ({ value }))
    })
    const steps = fc.array(
      fc.record({ name: fc.nat(45), drop: fc.boolean(), save: fc.constantFrom('no', 'changes', 'all', 'crash') }),
      { minLength: 60, maxLength: 150 },
    )
    fc.assert(
      fc.property(steps, steps => {
        const run = (crashing: boolean) => {
          const driver = new Driver(many)
          steps.forEach(({ name, drop, save }, at) => {
            driver.send(event('a', at, at, 'x', `${drop && at > 50 ? '-' : '+'}${name === 45 ? '__proto__' : name}`))
            driver.advance(at + 1)
            if (!crashing) return
            if (save === 'changes') driver.save()
            if (save === 'all') driver.saveAll()
            if (save === 'crash') driver.crash()
          })
          return driver.read('hoards')
        }
        assert.deepEqual(run(true), run(false))
      }),
      { numRuns: 60 },
    )
  })

  test('of very many things in a state only those that changed are saved', () => {
    const many = pipeline<Letter>({ name: 'm', topic: 'in', schema: Letter, upstream: [] }, letters => {
      letters.through('hoarded', hoard({}), { key: letter => letter.key }).to('hoards', ({ value }) => ({ value }))
    })
    const driver = new Driver(many)
    const names = Array.from({ length: 40 }, (_, at) => event('a', at, at, 'x', `+${at}`))
    driver
      .send(...names)
      .advance(40)
      .save()
    driver.send(event('a', 40, 40, 'x', '+7'), event('a', 41, 41, 'x', '-8')).advance(50)
    assert.deepEqual(
      [...driver.engine.changes()].slice(1).map(([name, json]) => [name, json?.slice(0, 30)]),
      [
        ['hoarded\v["x","things","7"]', '2'],
        ['hoarded\v["x","things","8"]', undefined],
        ['hoarded\nx', '{"version":1,"state":{"things"'],
      ],
    )
  })

  test('an event that waits is saved once, however often the state is', () => {
    const driver = new Driver(graph())
    for (let offset = 0; offset < 50; offset++) driver.send(event('a', offset, 1_000 + offset, 'x', 'p'))
    const chunks = () => [...driver.engine.changes()].filter(([name]) => name.startsWith('chained\t'))
    assert.deepEqual(
      chunks().map(([name]) => name),
      ['chained\t0'],
    )
    driver.send(event('a', 50, 1_050, 'x', 'p'))
    const [[name, json]] = chunks() as [[string, string]]
    assert.equal(name, 'chained\t1')
    assert.equal((JSON.parse(json) as unknown[]).length, 1)
    driver.advance(1_050)
    assert.deepEqual(chunks(), [['chained\t0', null]])
  })

  test('a key without events is forgotten in time, wherever the watermark stops on its way', () =>
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 30 }), fc.array(fc.boolean(), { maxLength: 30 }), (gaps, stops) => {
        let clock = 0
        const events = gaps.map((gap, offset) => {
          clock += gap
          return event('a', offset, clock, 'x', 'p')
        })
        const forgetful = pipeline<Letter>({ name: 'f', topic: 'in', schema: Letter, upstream: [] }, letters => {
          letters
            .through('chained', chain({}), { key: letter => letter.key, forgetAfter: 40 })
            .to('chains', row => ({ ...(row.value as object) }))
        })
        const run = (stops: readonly boolean[]) => {
          const driver = new Driver(forgetful)
          events.forEach((one, index) => {
            driver.send(one)
            if (stops[index]) driver.advance(one.time)
          })
          driver.advance(clock + 1)
          const { keys } = driver.engine.steps().get('chained')!
          assert.equal(keys, events.length === 0 ? 0 : 1)
          driver.advance(clock + 40)
          assert.equal(driver.engine.steps().get('chained')!.keys, 0)
          return driver.read('chains').map(({ text }) => text)
        }
        let length = 0
        const expected = gaps.map((gap, index) => {
          length = index > 0 && gap >= 40 ? 1 : Math.min(8, length + 1)
          return 'p'.repeat(length)
        })
        assert.deepEqual(run(stops), expected)
        assert.deepEqual(run([]), expected)
      }),
    ))

  test('events that are sent again change nothing', () =>
    fc.assert(
      fc.property(letters, windows, fc.nat(59), (events, window, from) => {
        const driver = new Driver(graph(window)).send(...events)
        driver.send(...events.slice(from))
        const { fates, ...rest } = everything(driver.advance(10_000))
        const { fates: once, ...expected } = whole(events, window)
        assert.deepEqual(rest, expected)
        assert.equal(fates.used, once.used)
        assert.equal(fates.dropped.duplicate ?? 0, events.slice(from).length)
      }),
      { numRuns: 100 },
    ))

  test('an idle stream does not hold windows open, and one that is not idle does', () => {
    const driver = new Driver(graph())
    driver.engine.mark({ stream: 'slow', time: 5, idle: false, siblings: ['slow', 'test'] })
    driver.send(event('a', 0, 5, 'x', 'p')).advance(500)
    assert.deepEqual(driver.read('counts'), [])
    driver.idle('slow')
    assert.equal(driver.read('counts').length, 1)
  })

  test('a stream that is announced holds the watermark before its first event', () => {
    const driver = new Driver(graph())
    driver.engine.mark({ stream: 'test', time: 0, idle: false, siblings: ['test', 'unheard'] })
    driver.send(event('a', 0, 5, 'x', 'p')).advance(500)
    assert.equal(driver.engine.time, null)
    driver.advance(90, 'unheard')
    assert.equal(driver.engine.time, 90)
  })

  test('the watermark does not go back when a mark does', () => {
    const driver = new Driver(graph())
      .send(event('a', 0, 5, 'x', 'p'))
      .advance(100)
      .advance(20)
    assert.equal(driver.engine.time, 100)
  })

  test('an event behind the watermark is late, counted, and changes nothing', () => {
    const driver = new Driver(graph()).send(event('a', 0, 5, 'x', 'p')).advance(100)
    const before = driver.read('counts').length
    driver.send(event('a', 1, 6, 'x', 'q')).advance(200)
    assert.equal(driver.fates.late, 1)
    assert.deepEqual(
      driver.late.map(({ step }) => step),
      ['chained'],
    )
    assert.equal(driver.read('counts').length, before)
  })

  test('an event its stream has passed is late however far the others are', () => {
    const driver = new Driver(graph())
    driver.engine.event(event('a', 0, 5, 'x', 'p'), true)
    assert.equal(driver.engine.take().fates.late, 1)
  })

  test('timers ring in event time, between the events', () => {
    const driver = new Driver(graph())
    driver.send(event('a', 0, 0, 'x', 'p'), event('a', 1, 20, 'x', 'p'), event('a', 2, 60, 'x', 'p')).advance(1_000)
    assert.deepEqual(
      driver.read('quiet').map(row => row.quietAt),
      [45, 85],
    )
  })

  test('an event exactly one gap after the last begins a session of its own, wherever the watermark stands', () => {
    const sessions = (advanced: boolean) => {
      const driver = new Driver(graph(session(7))).send(event('a', 0, 96, 'x', 'p'))
      if (advanced) driver.advance(103)
      driver.send(event('a', 1, 103, 'x', 'p')).advance(1_000)
      return driver.read('counts').map(({ start, n }) => [start, n])
    }
    assert.deepEqual(sessions(false), [
      [96, 1],
      [103, 1],
    ])
    assert.deepEqual(sessions(true), sessions(false))
  })

  test('a step that throws says on what, and goes on without what is set aside', () => {
    const fragile = defineOperator({
      name: 'fail',
      summary: 'Fails on x.',
      config: z.strictObject({}),
      examples: [],
      create: () => ({
        init: () => 0,
        step: (n: number, { value }: Event<Letter>) => {
          if (value.text === 'x') throw new Error('x is too much')
          return [n + 1, [n + 1]]
        },
      }),
    })
    const driver = new Driver(
      pipeline<Letter>({ name: 'fragile', topic: 'in', schema: Letter, upstream: [] }, letters => {
        letters.through('fragile', fragile({}), { key: ({ key }) => key }).to('n', ({ value }) => ({ value }))
      }),
    )
    driver.send(event('a', 0, 1, 'k', 'p'), event('a', 1, 2, 'k', 'x'), event('a', 2, 3, 'k', 'p')).saveAll()
    const failure = thrown(() => driver.advance(10))
    assert.ok(failure instanceof StepFailure)
    assert.equal(failure.message, "step 'fragile' failed on event a/1/0 of key 'k': x is too much")
    driver.setAside.set(failure.id, failure)
    driver.restore().advance(10)
    assert.deepEqual(driver.read('n'), [{ value: 1 }, { value: 2 }])
    assert.deepEqual(
      driver.dead.map(({ step, event }) => [step, event.origin.offset]),
      [['fragile', 1]],
    )
  })

  test('what has no state sets aside the event it throws on at once', () => {
    const driver = new Driver(
      pipeline<Letter>({ name: 'fragile', topic: 'in', schema: Letter, upstream: [] }, letters => {
        const fails = (): never => {
          throw new Error('no')
        }
        letters.select('some', fails).to('none', () => ({}))
        letters.to('rows', ({ value }) => (value.text === 'x' ? fails() : { ...value }))
        letters.publish('out', { key: ({ text }) => (text === 'y' ? fails() : text) })
      }),
    )
    driver.send(event('a', 0, 1, 'k', 'x'), event('a', 1, 2, 'k', 'y'))
    assert.equal(driver.read('rows').length, 1)
    assert.equal(driver.published('out').length, 1)
    assert.deepEqual(
      driver.dead.map(({ step }) => step),
      ['some', 'rows', 'some', 'out'],
    )
  })

  test('marks go out behind the events they speak of', () => {
    const driver = new Driver(graph()).send(event('a', 0, 5, 'x', 'p')).advance(100)
    assert.deepEqual(
      driver.outputs.map(output => (output.kind === 'mark' ? output.mark.time : 'event')),
      ['event', 100],
    )
  })

  test('what is published bears the names of its pipeline and step, so that no two pipelines make the same', () => {
    const driver = new Driver(graph()).send(event('a', 0, 5, 'x', 'p')).advance(100)
    assert.deepEqual(
      driver.outputs.flatMap(output => (output.kind === 'event' ? [output.step] : [])),
      ['letters.chained'],
    )
  })

  test('a step that closes windows is refused without one', () => {
    const build = () =>
      pipeline<Letter>({ name: 'wrong', topic: 'in', schema: Letter, upstream: [] }, letters => {
        letters.through('gathered', gather({}), { key: ({ key }) => key })
      })
    assert.throws(build, /pipeline step 'gathered': gather closes windows and was given none/)
  })

  test('a pipeline prints itself', () => {
    assert.equal(
      describePipeline(graph()),
      [
        'pipeline letters',
        '  in (topic)',
        '  in -> chained (chain {} ordered)',
        '  chained => chains (table)',
        '  chained -> gathered (gather {} in {"kind":"tumbling","size":10,"lateness":0}, as they come)',
        '  gathered => counts (table)',
        '  chained -> quiet (ring {"after":25} ordered)',
        '  quiet => quiet (table)',
        '  chained => out (topic, with marks)',
      ].join('\n'),
    )
  })
})

function thrown(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}
