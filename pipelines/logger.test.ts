import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masker, Secret } from './configuration/secret.ts'
import { openLogger } from './logger.ts'

function open(pretty: boolean, level: 'debug' | 'info' = 'info') {
  let text = ''
  const mask = masker([new Secret('hunter2!')])
  const write = (line: string) => {
    text += line
  }
  return { logger: openLogger({ level, pretty, mask, write }), text: () => text }
}

test('a secret is in no line, whether in the message, a field, an error or its cause', () => {
  for (const pretty of [true, false]) {
    const { logger, text } = open(pretty)
    logger.warn({ url: 'http://u:hunter2!@h', nested: { key: 'hunter2!' } }, 'using hunter2!')
    logger.error({ error: new Error('refused hunter2!', { cause: new Error('hunter2!') }) }, 'failed')
    assert.equal(text().split('\n').length, 3)
    assert.ok(!text().includes('hunter2'), text())
  }
})

test('lines are JSON for machines', () => {
  const { logger, text } = open(false)
  logger.info({ topic: 't' }, 'read')
  const { level, msg, topic, time } = JSON.parse(text())
  assert.deepEqual([level, msg, topic], ['info', 'read', 't'])
  assert.ok(!Number.isNaN(Date.parse(time)))
})

test('lines are short for people, with the reason of an error', () => {
  const { logger, text } = open(true)
  logger.warn({ topic: 't', partition: 3, error: new Error('refused') }, 'not read')
  assert.match(text(), /^\d\d:\d\d:\d\d warn {2}not read \(refused\) topic=t partition=3\n$/)
})

test('what is less important than the level is not written', () => {
  const { logger, text } = open(false)
  logger.debug({}, 'detail')
  assert.equal(text(), '')
})
