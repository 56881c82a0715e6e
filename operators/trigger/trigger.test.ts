import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident, IncidentSignal } from '../signal.ts'
import { matchesOf } from './match.ts'
import { RunbookTriggers, ruleNameOf } from './runbook-triggers.ts'
import { trigger } from './trigger.ts'
import { watchNext } from './watch.ts'

const minute = 60_000
const leak = trigger.definition.examples[0]!.given[0]!.value

const runbook = (triggers: unknown[], name = 'Fix') => RunbookTriggers.parse({ name, triggers })
const watchOf = (incident: Incident) => watchNext(undefined, incident, minute, minute)
const fits = (incident: Incident, ...triggers: unknown[]) => matchesOf(watchOf(incident), runbook(triggers)).length > 0

test('a cause fits by metric, service and confidence, where * stands for anything and a dot for a dot', () => {
  assert.ok(fits(leak, { cause: { metric: 'memory_usage' } }))
  assert.ok(fits(leak, { cause: { metric: '*memory*', service: 'pay*' }, minConfidence: 0.8 }))
  assert.ok(!fits(leak, { cause: { metric: 'memory' } }))
  assert.ok(!fits(leak, { cause: { metric: 'memory.usage' } }))
  assert.ok(!fits(leak, { cause: { service: 'checkout' } }))
  assert.ok(!fits(leak, { cause: { service: '*' }, minConfidence: 0.81 }))
})

test('a cause counts only once named, and while its signal fires', () => {
  const any = { cause: { service: '*' } }
  const with_ = (more: Partial<IncidentSignal>) => ({ ...leak, signals: [{ ...leak.signals[0]!, ...more }] })
  assert.ok(!fits({ ...leak, identifiedAt: null }, any))
  assert.ok(!fits(with_({ firing: false }), any))
  assert.ok(!fits(with_({ absent: true }), any))
})

test('a metric trigger waits for the rule that is named after it', () => {
  const rule = { threshold: 80, comparison: 'above' } as const
  const signal = (name: string, service = 'payments'): IncidentSignal => ({
    ...leak.signals[0]!,
    ...{ kind: 'rule', service, rule: { name, ...rule } },
  })
  const second = runbook([
    { metric: 'cpu_usage', threshold: 90 },
    { metric: 'memory_usage', threshold: 80, duration: '5m', service: 'pay*' },
  ])
  assert.deepEqual([ruleNameOf(second, 0), ruleNameOf(second, 1)], ['Fix', 'Fix (2)'])
  const matches = (...signals: IncidentSignal[]) => matchesOf(watchOf({ ...leak, signals }), second)
  assert.deepEqual(matches(signal('Fix')), [], 'the first rule has another threshold')
  assert.deepEqual(matches(signal('Fix (2)', 'checkout')), [], 'another service')
  const [match] = matches(signal('Fix (2)'))
  assert.equal(match?.dueAt, 5 * minute)
  assert.deepEqual(match?.inputs, {
    ...{ environment: 'production', service: 'payments', incident: 'leak', metric: 'memory_usage' },
    ...{ value: 71, threshold: 80 },
  })
  assert.equal(match?.because, 'memory_usage of payments has been above 80% for 5m')
})

test('a metric whose name is none is not handed on', () => {
  const signals = [{ ...leak.signals[0]!, subject: 'memory; rm -rf /' }]
  const [match] = matchesOf(watchOf({ ...leak, signals }), runbook([{ cause: { service: '*' } }]))
  assert.equal(match?.inputs.metric, undefined)
})

test('a configuration that cannot be meant is refused with what is wrong', () => {
  assert.throws(
    () =>
      trigger({
        runbooks: [
          { name: 'a', triggers: [] },
          { name: 'a', triggers: [] },
        ],
      }),
    /'a' is there twice/,
  )
  assert.throws(() => RunbookTriggers.parse({ name: 'a', triggers: [{ cause: {} }] }), /names nothing/)
})
