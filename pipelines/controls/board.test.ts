import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Control } from '../../operators/control.ts'
import { ServiceCatalogue } from '../../operators/services.ts'
import { HttpError } from '../../sinks/http-error.ts'
import { SinkError } from '../../sinks/store.ts'
import { recordingLogger } from '../../test/kit/log.ts'
import { ManualClock } from '../../test/run-simulation.ts'
import { openEmbeddedLog } from '../sources/embedded-log.ts'
import type { Log } from '../sources/log.ts'
import { ownTopics, topics } from '../topics.ts'
import { Board } from './board.ts'
import { catalogueOf } from './catalogue.ts'
import { controlDesk } from './desk.ts'
import { encodeControl, tombstone } from './record.ts'

// Controls over the embedded log; test/contract/log.ts shows that Kafka reads a compacted topic as it does.

const hour = 3_600_000
const began = Date.UTC(2026, 10, 22, 10)
const place = { environment: 'production', service: 'shop' }

async function setup(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'ops-board-'))
  const [clock, logger] = [new ManualClock(began), recordingLogger()]
  const log = await openEmbeddedLog({ dataDir, clock, logger })
  t.after(async () => {
    await log.close()
    await rm(dataDir, { recursive: true })
  })
  await log.ensure(ownTopics([], 1))
  const process = (): Process => {
    let count = 0
    const board = new Board({ log, clock, logger })
    const desk = controlDesk({ board, log, clock, nonce: () => `c${count++}`, runbooks: ['Memory leak', 'High CPU'] })
    return { board, desk }
  }
  return { log, clock, logger, process }
}
interface Process {
  board: Board
  desk: ReturnType<typeof controlDesk>
}

const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HttpError)
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return true
}

test('what one process is told, every process knows when it asks next; and until it is over', async t => {
  const { clock, process } = await setup(t)
  const [one, other] = [process(), process()]
  await other.board.refresh()
  const { id } = await one.desk.say({ type: 'pause', by: 'ana', reason: 'freeze', for: hour, ...place })
  assert.equal(other.board.paused(place), undefined)
  await other.board.refresh()
  assert.equal(other.board.paused(place), `paused by ana: freeze (control ${id})`)
  assert.equal(other.board.paused({ ...place, service: 'mail' }), undefined)
  clock.advance(hour)
  assert.equal(other.board.paused(place), undefined)
})

test('what holds at once does so where the clock is behind, and what is for later waits for its time', async t => {
  const { log, clock, logger, process } = await setup(t)
  const { desk } = process()
  const behind = new Board({ log, logger, clock: new ManualClock(began - 5_000) })
  await desk.say({ type: 'pause', by: 'ana', reason: '', ...place })
  await desk.say({ type: 'pause', by: 'ana', reason: '', from: began + hour })
  await behind.refresh()
  assert.match(behind.paused(place) ?? '', /^paused by ana/)
  assert.equal(behind.paused({ ...place, service: 'mail' }), undefined)
  assert.equal(clock.now(), began)
})

test('a read under way when a record is written is not the answer: it is read once more', async t => {
  const { log, process, clock, logger } = await setup(t)
  const entered = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  let reads = 0
  const slow: Pick<Log, 'read'> = {
    async *read(topic, partition, from) {
      reads++
      yield* log.read(topic, partition, from)
      if (reads > 1) return
      entered.resolve()
      await release.promise
    },
  }
  const board = new Board({ log: slow, clock, logger })
  const first = board.refresh()
  await entered.promise
  await process().desk.say({ type: 'pause', by: 'ana', reason: '' })
  const later = [board.refresh(), board.refresh()]
  release.resolve()
  await first
  assert.equal(board.paused(place), undefined)
  await Promise.all(later)
  assert.match(board.paused(place) ?? '', /^paused by ana/)
  assert.equal(reads, 2, 'those who ask meanwhile share one read')
})

test('a log that does not answer is an error to whoever asks, and the next asks anew', async t => {
  const { log, clock, logger } = await setup(t)
  let fail = true
  const board = new Board({
    log: {
      async *read(...range) {
        if (fail) throw new SinkError('kafka x', 'unreachable', 'connection refused')
        yield* log.read(...range)
      },
    },
    ...{ clock, logger },
  })
  await assert.rejects(board.refresh(), /unreachable/)
  fail = false
  await board.refresh()
})

test('trust: the lowest that is about the place counts; a runbook nobody has is refused', async t => {
  const { process } = await setup(t)
  const { board, desk } = process()
  const trust = { type: 'trust', runbook: 'High CPU', by: 'ana', reason: '' } as const
  await desk.say({ ...trust, mode: 'observe', environment: 'staging' })
  await desk.say({ ...trust, mode: 'approve' })
  await desk.say({ ...trust, mode: 'suggest', ...place })
  await board.refresh()
  assert.equal(board.trust('High CPU', place)?.mode, 'suggest')
  assert.equal(board.trust('High CPU', { ...place, service: 'mail' })?.mode, 'approve')
  assert.equal(board.trust('Memory leak', place), undefined)
  const misspelt = desk.say({ ...trust, runbook: 'Memory leek', mode: 'approve' })
  await assert.rejects(misspelt, refused('OPS_REQUEST', /no runbook 'Memory leek'; did you mean 'Memory leak'\?/))
})

test('times that cannot be meant are refused, each with what is wrong', async t => {
  const { process } = await setup(t)
  const { desk } = process()
  const silence = { type: 'silence', by: 'ana', reason: '', environment: 'production' } as const
  const f = (draft: Parameters<typeof desk.say>[0], message: RegExp) =>
    assert.rejects(desk.say(draft), refused('OPS_REQUEST', message))
  await f(silence, /^for: a silence needs an end/)
  await f({ ...silence, for: 0 }, /^for: it would end at 2026-11-22T10:00:00.000Z, before it begins/)
  await f({ ...silence, to: began - 1 }, /^to: it would end at/)
  await f({ ...silence, to: began + 1, for: 1 }, /^to: given together with for/)
  await f({ ...silence, from: began - hour, for: hour }, /^from: 2026-11-22T09:00:00.000Z is past/)
  await f({ type: 'pause', by: 'ana', reason: '', service: 'shop' }, /^service: 'shop' is of which environment\?/)
  const later = await desk.say({ ...silence, from: began + hour, for: hour })
  assert.deepEqual([later.at, later.validFrom, later.validTo], [began, began + hour, began + 2 * hour])
  const slightly = await desk.say({ ...silence, from: began - 1_000, for: hour })
  assert.deepEqual([slightly.validFrom, slightly.validTo], [began, began + hour])
})

test('ended, a control is over at once or never begins, stays known for a day, and is forgotten with the next one', async t => {
  const { log, clock, process } = await setup(t)
  const { board, desk } = process()
  const silence = { type: 'silence', by: 'ana', reason: '', environment: 'production', for: hour } as const
  const [now, soon] = [await desk.say(silence), await desk.say({ ...silence, from: began + hour })]
  clock.advance(1_000)
  for (const { id } of [now, soon]) await desk.end(id)
  const ended = await desk.list()
  assert.deepEqual(
    ended.map(({ validFrom, validTo }) => [validFrom, validTo]),
    [
      [began, began + 1_000],
      [began + hour, began + hour],
    ],
  )
  const written = (await log.ends(topics.controls))[0]!
  await desk.end(now.id)
  assert.deepEqual(await log.ends(topics.controls), [written], 'what is over is not ended again')
  clock.advance(26 * hour)
  const { id } = await desk.say({ type: 'pause', by: 'ana', reason: '' })
  await board.refresh()
  assert.deepEqual(
    board.all().map(control => control.id),
    [id],
  )
  await assert.rejects(desk.end('nope'), refused('OPS_NOT_FOUND', /no control 'nope'/))
})

test('a control that this version cannot read stops every action until it is removed or replaced', async t => {
  const { log, logger, process } = await setup(t)
  const { board, desk } = process()
  const pause: Control = { type: 'pause', id: 'new', by: 'ana', reason: '', at: 0, validFrom: 0, validTo: 1 }
  await log.append([{ ...encodeControl(pause), headers: { 'ops-v': '9' } }])
  await board.refresh()
  assert.match(board.paused(place) ?? '', /control 'new' cannot be read \(control of version 9.*replace or remove it/)
  assert.match(logger.lines.at(-1)?.message ?? '', /control 'new' cannot be read, so no action is begun/)
  await desk.end('new')
  await board.refresh()
  assert.equal(board.paused(place), undefined)
  await log.append([{ ...tombstone('odd'), value: '{' }])
  await board.refresh()
  assert.match(board.paused(place) ?? '', /control 'odd' cannot be read/)
  await log.append([encodeControl({ ...pause, id: 'odd' })])
  await board.refresh()
  assert.equal(board.paused(place), undefined)
})

test('the catalogue: without a file that which was given; a file that differs counts, and says so', async t => {
  const { logger, process } = await setup(t)
  const { board, desk } = process()
  const [own, given] = [{ shop: {} }, { shop: { tier: 1 } }].map(services => ServiceCatalogue.parse({ services }))
  assert.equal(catalogueOf(undefined, own!, board, logger), own)
  await desk.say({ type: 'services', by: 'ana', reason: '', catalogue: ServiceCatalogue.parse({}) })
  await desk.say({ type: 'services', by: 'ana', reason: '', catalogue: given! })
  await board.refresh()
  assert.deepEqual(catalogueOf(undefined, ServiceCatalogue.parse({}), board, logger), given)
  assert.deepEqual(catalogueOf('services.yaml', given!, board, logger), given)
  assert.equal(logger.lines.length, 0)
  assert.equal(catalogueOf('services.yaml', own!, board, logger), own)
  assert.match(logger.lines.at(-1)?.message ?? '', /'services.yaml' differs from the catalogue ana gave/)
  await desk.end('services')
  await board.refresh()
  assert.equal(board.services(), undefined)
})
