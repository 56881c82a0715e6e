import assert from 'node:assert/strict'
import { test } from 'node:test'
import { group } from '../operators/group/group.ts'
import { minute, noon, type SignalIs, Timeline } from './timeline.ts'

// Outages told minute by minute. Windows are a minute long; defaults otherwise.

const catalogue = {
  services: {
    gateway: { tier: 1, dependencies: ['checkout', 'catalog'] },
    checkout: { dependencies: ['payments'] },
    orders: { dependencies: ['payments'] },
    invoices: { dependencies: ['payments'] },
    payments: {},
    catalog: {},
    mailer: {},
  },
}

const memory: SignalIs = {
  service: 'payments',
  subject: 'memory_usage',
  unit: '%',
  expected: { yhat: 40, lower: 35, upper: 45 },
}
const memoryRule: SignalIs = {
  ...memory,
  kind: 'rule',
  rule: { name: 'Memory full', threshold: 90, comparison: 'above' },
}
const latency = (service: string): SignalIs => ({
  service,
  subject: 'latency',
  unit: 's',
  expected: { yhat: 0.2, lower: 0.1, upper: 0.3 },
})

const restart = {
  name: 'Restart',
  mode: 'auto' as const,
  triggers: [{ cause: { metric: 'memory_*', service: '*' } }],
  verify: { window: '3m', timeout: '15m' },
}

test('a memory leak: opened, explained, restarted, verified, resolved, closed', () => {
  const outage = new Timeline({ catalogue }, { runbooks: [restart] })
  outage.window(1, [memory, 1.5, 62])
  assert.deepEqual(outage.story(), ['1m opened detected'])
  outage.window(2, [memory, 2, 70], [latency('payments'), 1.2, 0.4])
  outage.window(3, [memory, 3, 85], [latency('payments'), 2, 0.9], [latency('checkout'), 1.4, 0.5])
  assert.deepEqual(outage.acts, ['1.5m Restart production/payments'])
  outage.run(3.2, 'running').run(3.8, 'verifying')
  const clear = [[memory, 0.2, 41] as const, [latency('payments'), 0.1] as const, [latency('checkout'), 0.1] as const]
  outage
    .windows(4, 8, ...clear)
    .run(8.5, 'succeeded')
    .windows(9, 12, ...clear)
  outage.until(60)
  assert.deepEqual(outage.story(), [
    '1m opened detected',
    '1.5m identified identified',
    '2.5m grew identified',
    '3m grew identified', // worse: three times beyond what is tolerated
    '3m grew identified', // wider: checkout
    '3.2m remediating remediating',
    '3.8m monitoring monitoring',
    '5m cleared monitoring',
    '8.5m monitoring monitoring',
    '9m resolved resolved',
    '39m closed closed',
  ])
  assert.deepEqual(outage.acts, ['1.5m Restart production/payments', '8m verified'])
  const last = outage.versions.at(-1)!
  assert.equal(last.title, 'payments: memory usage 85% (expected 35–45%) and 1 more service')
  assert.equal(last.causes[0]?.service, 'payments')
  assert.equal(last.faultAt, noon)
})

test('a cause asks for a runbook by the canonical name of its metric', () => {
  const usage: SignalIs = { service: 'payments', subject: 'process.memory.usage', unit: 'By' }
  const leak = { name: 'Leak', mode: 'auto' as const, triggers: [{ cause: { metric: 'memory_bytes' } }] }
  const outage = new Timeline({ catalogue }, { runbooks: [leak] })
  outage.windows(1, 3, [usage, 2, 3e8])
  assert.deepEqual(outage.acts, ['1.5m Leak production/payments'])
})

test('a slow dependency: its three callers suffer, it is the cause and the only one acted upon', () => {
  const slow = { name: 'Restart slow', mode: 'auto' as const, triggers: [{ cause: { metric: 'latency' } }] }
  const outage = new Timeline({ catalogue }, { runbooks: [slow] })
  outage.window(
    1,
    ...['checkout', 'orders', 'invoices', 'payments'].map(service => [latency(service), 4, 1.2] as const),
  )
  outage.until(3)
  const incident = outage.versions.at(-1)!
  assert.deepEqual(incident.services, ['checkout', 'invoices', 'orders', 'payments'])
  assert.equal(incident.causes[0]?.service, 'payments')
  assert.equal(incident.severity, 'critical')
  assert.deepEqual(outage.acts, ['1.5m Restart slow production/payments'])
  assert.deepEqual(outage.requests[0]?.inputs, {
    environment: 'production',
    service: 'payments',
    incident: incident.id,
    metric: 'latency',
    value: 1.2,
  })
})

test('a static rule opens at once and asks for its runbook only after its duration', () => {
  const runbook = {
    name: 'Memory full',
    mode: 'auto' as const,
    triggers: [{ metric: 'memory_usage', threshold: 90, duration: '5m' }],
  }
  const outage = new Timeline({ catalogue, minScore: 5 }, { runbooks: [runbook] })
  outage.window(1, [memoryRule, 1.02, 92])
  assert.deepEqual(outage.story(), ['1m opened detected'])
  outage.windows(2, 8, [memoryRule, 1.02, 92])
  assert.deepEqual(outage.acts, ['5m Memory full production/payments'])
  assert.deepEqual(outage.requests[0]?.inputs.threshold, 90)
})

test('a static rule that clears before its duration asks for nothing, and starts again from nothing', () => {
  const runbook = {
    name: 'Memory full',
    mode: 'auto' as const,
    triggers: [{ metric: 'memory_usage', threshold: 90, duration: '5m' }],
  }
  const outage = new Timeline({ catalogue, clearWindows: 1 }, { runbooks: [runbook] })
  outage.windows(1, 4, [memoryRule, 1.1, 99]).window(5, [memoryRule, 0.9, 81]).windows(6, 10, [memoryRule, 1.1, 99])
  assert.deepEqual(outage.acts, [])
  outage.windows(11, 12, [memoryRule, 1.1, 99])
  assert.deepEqual(outage.acts, ['11m Memory full production/payments'])
})

test('a flapping signal is held as firing for longer and longer, so that versions stay few', () => {
  const outage = new Timeline({ catalogue, clearWindows: 1 })
  for (let at = 1; at < 240; at += 2) outage.window(at, [memory, 2, 70]).window(at + 1, [memory, 0.5, 45])
  const versions = outage.versions.length
  assert.ok(versions <= 16, `${versions} versions of 240 windows`)
  assert.equal(new Set(outage.versions.map(({ id }) => id)).size, 1)
  outage.windows(241, 260, [memory, 0.5, 45])
  assert.equal(outage.versions.at(-1)?.state, 'resolved')
})

test('two services that have nothing to do with each other are two incidents', () => {
  const outage = new Timeline({ catalogue })
  outage.window(1, [memory, 2, 70], [{ service: 'mailer', subject: 'queue_depth' }, 3, 900])
  outage.window(1.5, [{ service: 'unheard-of', subject: 'latency' }, 3, 900])
  assert.equal(new Set(outage.versions.map(({ id }) => id)).size, 3)
  assert.deepEqual(outage.versions.map(({ services }) => services).slice(0, 2), [['mailer'], ['payments']].sort())
})

test('an environment never shares an incident with another', () => {
  const outage = new Timeline({ catalogue })
  outage.window(1, [memory, 2, 70], [{ ...memory, environment: 'staging' }, 2, 70])
  assert.deepEqual(outage.versions.map(({ environment }) => environment).sort(), ['production', 'staging'])
})

test('no data while a fix is verified: inconclusive, and the incident is closed but never resolved', () => {
  const outage = new Timeline({ catalogue }, { runbooks: [restart] })
  outage.windows(1, 3, [memory, 2, 70]).run(3.2, 'running').run(3.5, 'verifying').until(60)
  assert.deepEqual(outage.acts, ['1.5m Restart production/payments', '13m inconclusive'])
  const last = outage.versions.at(-1)!
  assert.equal(last.state, 'closed')
  assert.equal(last.resolvedAt, null)
  assert.equal(last.signals[0]?.absent, true)
  assert.match(last.title, /closed without data/)
})

test('one normal window and then silence, as of a process that died, is not a recovery', () => {
  const outage = new Timeline({ catalogue })
  outage.windows(1, 3, [memory, 2, 70]).window(4, [memory, 0.4, 44]).until(90)
  assert.equal(outage.versions.at(-1)?.state, 'closed')
  assert.equal(outage.versions.at(-1)?.resolvedAt, null)
})

test('an incident that heals by itself is resolved without a run', () => {
  const outage = new Timeline(
    { catalogue },
    { runbooks: [{ ...restart, triggers: [{ cause: { service: 'mailer' } }] }] },
  )
  outage.window(1, [memory, 2, 70]).windows(2, 9, [memory, 0.3, 42])
  assert.deepEqual(outage.acts, [])
  assert.equal(outage.versions.at(-1)?.state, 'resolved')
  const { detectedAt, identifiedAt, mitigatedAt, resolvedAt, faultAt } = outage.versions.at(-1)!
  const times = [faultAt, detectedAt, identifiedAt, mitigatedAt, resolvedAt].map(time => (time! - noon) / minute)
  assert.deepEqual(times, [0, 1, 1.5, 2, 7])
})

test('a signal that returns within half an hour reopens its incident; later it is a new one', () => {
  const outage = new Timeline({ catalogue })
  const clear = [memory, 0.3, 42] as const
  outage.window(1, [memory, 2, 70]).windows(2, 9, clear).window(30, [memory, 2, 70])
  assert.match(outage.story().at(-1)!, /reopened/)
  outage.windows(31, 40, clear).until(80).window(90, [memory, 2, 70])
  assert.match(outage.story().at(-1)!, /opened detected/)
  assert.equal(new Set(outage.versions.map(({ id }) => id)).size, 2)
  const versions = outage.versions.filter(({ id }) => id === outage.versions[0]!.id).map(({ version }) => version)
  assert.deepEqual(
    versions,
    versions.map((_, index) => index + 1),
  )
})

test('a fix after which the signal fires again has failed, and the next runbook is asked for', () => {
  const scale = { ...restart, name: 'Scale' }
  const outage = new Timeline({ catalogue, clearWindows: 1 }, { runbooks: [restart, scale] })
  outage.windows(1, 2, [memory, 2, 70]).run(2.2, 'running').run(2.4, 'verifying')
  outage.window(3, [memory, 0.3, 42]).window(4, [memory, 2, 70])
  assert.deepEqual(outage.acts, ['1.5m Restart production/payments', '4m failed'])
  outage.run(4.1, 'failed').windows(5, 6, [memory, 2, 70])
  assert.deepEqual(outage.acts.slice(2), ['4.1m Scale production/payments'])
  outage.run(6.1, 'running').run(6.2, 'verifying').windows(7, 25, [memory, 2, 70])
  assert.deepEqual(outage.acts.slice(3), ['21.2m failed'])
  outage.run(25.2, 'failed').windows(26, 90, [memory, 2, 70])
  assert.equal(outage.acts.length, 4, 'no runbook is left')
})

test('a new log pattern is gone when it is unseen while its service still speaks', () => {
  const oom: SignalIs = { service: 'payments', subject: 'out of memory at <*>', kind: 'log', direction: 'new' }
  const outage = new Timeline({ catalogue })
  outage.window(1, [oom, 3, 5], [memory, 2, 70]).windows(2, 20, [memory, 0.3, 42])
  assert.equal(outage.versions.at(-1)?.state, 'resolved')
  const silent = new Timeline({ catalogue })
  silent.window(1, [oom, 3, 5]).until(20)
  assert.equal(silent.versions.at(-1)?.state, 'closed')
  assert.equal(silent.versions[0]?.title, 'payments: new log pattern "out of memory at <*>"')
})

test('what a log line says never reaches a runbook', () => {
  const evil: SignalIs = { service: 'payments', subject: 'run; rm -rf / <*>', kind: 'log', direction: 'new' }
  const runbook = { name: 'On error', mode: 'auto' as const, triggers: [{ cause: { subject: 'run; rm*' } }] }
  const outage = new Timeline({ catalogue }, { runbooks: [runbook] })
  outage.window(1, [evil, 3, 5]).until(2)
  assert.equal(outage.requests.length, 1)
  assert.doesNotMatch(JSON.stringify(outage.requests), /rm -rf/)
})

test('a deploy shortly before is evidence, and names the guilty among equals', () => {
  const outage = new Timeline({ catalogue })
  outage.deploy(0.5, 'catalog', 'catalog 2.4.1')
  outage.window(2, [latency('catalog'), 2, 1], [latency('gateway'), 2, 1]).until(4)
  const [cause] = outage.versions.at(-1)!.causes
  assert.equal(cause?.service, 'catalog')
  assert.ok(cause.evidence.some(({ kind, text }) => kind === 'change' && text.includes('catalog 2.4.1')))
})

test('a run a person rejected is the last one until the incident reopens', () => {
  const outage = new Timeline({ catalogue }, { runbooks: [restart, { ...restart, name: 'Scale' }] })
  outage.windows(1, 2, [memory, 2, 70]).run(2.2, 'awaiting_approval').run(2.4, 'rejected')
  outage.windows(3, 60, [memory, 2, 70])
  assert.deepEqual(outage.acts, ['1.5m Restart production/payments'])
})

test('a runbook that only shows what it would do occupies nothing and is shown once', () => {
  const shown = { ...restart, name: 'Show', mode: 'observe' as const }
  const outage = new Timeline({ catalogue }, { runbooks: [shown, restart] })
  outage.windows(1, 30, [memory, 2, 70])
  assert.deepEqual(outage.acts, ['1.5m Show production/payments', '1.5m Restart production/payments'])
})

test('callers that fell ill one by one become one incident when what they all call falls ill too', () => {
  const runbook = { ...restart, triggers: [{ cause: { metric: 'latency' } }], verify: { window: '2m', timeout: '15m' } }
  const outage = new Timeline({ catalogue }, { runbooks: [runbook] })
  const [orders, invoices, payments] = ['orders', 'invoices', 'payments'].map(latency) as [SignalIs, SignalIs, SignalIs]
  outage.window(1, [invoices, 2, 0.5]).window(2, [invoices, 2, 0.5], [orders, 2, 0.5])
  assert.deepEqual(outage.acts, ['1.5m Restart production/invoices'])
  assert.equal(new Set(outage.versions.map(({ id }) => id)).size, 2)
  const [first] = outage.versions
  outage.window(3, [payments, 5, 2])
  const merged = outage.versions.find(({ state }) => state === 'merged')!
  assert.deepEqual([merged.services, merged.mergedInto], [['orders'], first!.id])
  outage.until(4)
  const whole = outage.versions.at(-1)!
  assert.deepEqual([whole.id, whole.absorbed, whole.services.length], [first!.id, [merged.id], 3])
  assert.equal(whole.faultAt, noon)
  assert.equal(whole.causes[0]?.service, 'payments')
  assert.equal(outage.requests.at(-1)?.target, 'production/payments')
})

test('a run for an incident that became a part of another is verified by the signals of the whole', () => {
  const runbook = { ...restart, triggers: [{ cause: { service: 'orders' } }], verify: { window: '2m', timeout: '15m' } }
  const outage = new Timeline({ catalogue, settle: '10s' }, { runbooks: [runbook] })
  const [orders, invoices, payments] = ['orders', 'invoices', 'payments'].map(latency) as [SignalIs, SignalIs, SignalIs]
  outage.window(1, [invoices, 2, 0.5]).window(2, [invoices, 2, 0.5], [orders, 2, 0.5]).until(2.5)
  assert.deepEqual(outage.acts, ['2.17m Restart production/orders'])
  outage.window(3, [payments, 5, 2]).run(3.2, 'running').run(3.4, 'verifying')
  assert.equal(outage.versions.at(-1)?.runs.at(-1)?.state, 'verifying')
  outage.windows(4, 7, [orders, 0.1], [invoices, 0.1], [payments, 2])
  assert.equal(outage.verdicts.length, 0, 'payments still fires')
  outage.windows(8, 12, [orders, 0.1], [invoices, 0.1], [payments, 0.1])
  assert.deepEqual(outage.acts.slice(-1), ['11m verified'])
})

test('one signal that fell silent leaves open whether the rest is a recovery', () => {
  const outage = new Timeline({ catalogue }, { runbooks: [restart] })
  outage
    .windows(1, 2, [memory, 2, 70], [latency('payments'), 2, 1])
    .run(2.2, 'running')
    .run(2.4, 'verifying')
  outage.windows(3, 20, [latency('payments'), 0.2, 0.2])
  assert.deepEqual(outage.acts.slice(1), ['12m inconclusive'])
  assert.equal(outage.versions.at(-1)?.state, 'closed')
  assert.equal(outage.versions.at(-1)?.resolvedAt, null)
})

test('a signal that was clear before the run began, and unheard of since, proves nothing', () => {
  const outage = new Timeline({ catalogue }, { runbooks: [restart] })
  outage.windows(1, 2, [memory, 2, 70]).windows(3, 4, [memory, 0.2, 41]).run(4.2, 'running').run(4.4, 'verifying')
  outage.until(40)
  assert.deepEqual(outage.acts.slice(1), ['19.4m inconclusive'])
  assert.match(outage.verdicts[0]!.why, /no report of memory_usage of payments since the run began/)
})

test('a run that is never heard of again frees its target, though nothing more is tried there', () => {
  const outage = new Timeline({ catalogue }, { runbooks: [restart, { ...restart, name: 'Scale' }] })
  outage.windows(1, 100, [memory, 2, 70])
  assert.deepEqual(outage.acts, ['1.5m Restart production/payments'])
})

test('after a verified run the same runbook may help again, no sooner than its cooldown and not for ever', () => {
  const outage = new Timeline({ catalogue }, { runbooks: [{ ...restart, maxAttempts: 2, cooldown: '20m' }] })
  const heal = (at: number) => {
    outage
      .run(at + 0.2, 'running')
      .run(at + 0.4, 'verifying')
      .windows(at + 1, at + 6, [memory, 0.2, 41])
    outage.run(at + 6.5, 'succeeded')
  }
  outage.windows(1, 2, [memory, 2, 70])
  heal(2)
  outage.windows(9, 30, [memory, 2, 70])
  assert.deepEqual(outage.acts, [
    '1.5m Restart production/payments',
    '7m verified',
    '28.5m Restart production/payments',
  ])
  heal(30)
  outage.windows(37, 90, [memory, 2, 70])
  assert.equal(outage.requests.length, 2)
})

test('an incident keeps its worst severity', () => {
  const outage = new Timeline({ catalogue })
  outage.window(1, [latency('gateway'), 1.1, 0.4])
  assert.equal(outage.versions.at(-1)?.severity, 'high')
  outage.window(2, [latency('gateway'), 9, 4]).windows(3, 40, [latency('gateway'), 0.1, 0.2])
  assert.deepEqual([...new Set(outage.versions.map(({ severity }) => severity))], ['high', 'critical'])
})

test('one window of noise opens nothing where two are asked for', () => {
  const outage = new Timeline({ catalogue, confirmWindows: 2 })
  outage.window(1, [memory, 2, 70]).window(2, [memory, 0.2, 41]).window(3, [memory, 2, 70])
  assert.equal(outage.versions.length, 0)
  outage.window(4, [memory, 2, 70])
  assert.deepEqual(outage.story(), ['4m opened detected'])
  assert.equal(outage.versions[0]?.faultAt, noon + 2 * minute)
})

test('among too many incidents the quietest gives way, and says so', () => {
  const outage = new Timeline({ maxIncidents: 2 })
  for (const [at, service] of ['a', 'b', 'c'].entries()) outage.window(at + 1, [{ service, subject: 'latency' }, 2])
  assert.deepEqual(outage.story('a').at(-1), '3m closed closed')
  assert.deepEqual(outage.story('b').at(-1), '2.5m identified identified')
})

test('a plain cause is named before the time is up, though never from the first moment alone', () => {
  const outage = new Timeline({ catalogue, settle: '10m' })
  const all = ['checkout', 'orders', 'invoices'].map(service => [latency(service), 2, 0.5] as const)
  outage.window(1, [latency('payments'), 20, 9], ...all)
  assert.deepEqual([...new Set(outage.versions.map(({ identifiedAt }) => identifiedAt))], [null])
  outage.window(2, [latency('payments'), 20, 9], ...all)
  assert.deepEqual(outage.story().slice(-1), ['2m identified identified'])
})

test('a silence opens and reopens nothing and lets what is open go on; ended early, it keeps nothing back any more', () => {
  const outage = new Timeline({ catalogue })
  outage.windows(1, 2, [memory, 2, 80])
  outage.silence(2.5, 2.5, 60, { subject: 'memory*' }).silence(2.6, 2.6, 20, { service: 'mailer' })
  outage.windows(3, 4, [memory, 2, 80], [latency('mailer'), 3, 1])
  outage.windows(5, 12, [memory, 0.2, 41], [latency('mailer'), 0.1])
  outage.windows(13, 14, [memory, 2, 80])
  assert.deepEqual(outage.story(), [
    '1m opened detected',
    '1.5m identified identified',
    '6m cleared monitoring',
    '10m resolved resolved',
  ])
  outage.silence(14.5, 2.5, 14.5, { subject: 'memory*' }).window(15, [memory, 2, 80])
  assert.deepEqual(outage.story().slice(4), ['15m reopened identified'])
  const kept = outage.driver.read('suppressions')
  assert.deepEqual(
    kept.map(({ subject, end, silence, by }) => [subject, (Number(end) - noon) / minute, silence, by]),
    [
      ['latency', 3, 'service mailer', 'ana'],
      ['latency', 4, 'service mailer', 'ana'],
      ['memory_usage', 13, 'subject memory*', 'ana'],
      ['memory_usage', 14, 'subject memory*', 'ana'],
    ],
  )
})

test('a state from before there were silences is read, and goes on', () => {
  const { upgrade } = group.definition
  const [life] = [{ entries: [], pending: {}, changes: [{ service: 'a', kind: 'deploy', summary: 'v1', at: noon }] }]
  assert.deepEqual(upgrade?.(life, 1), { ...life, silences: {} })
  assert.equal(upgrade?.(life, 0), undefined)
})
