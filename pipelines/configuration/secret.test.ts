import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { fromMachine, masker, Secret, SecretText, secretsIn } from './secret.ts'

const canary = 'rnd_Ky9+/canary=42'

test('a secret shows itself nowhere but in reveal', () => {
  const secret = new Secret(canary)
  const holder = { render: { apiKey: secret } }
  const shown = [
    `${secret}`,
    String(secret),
    JSON.stringify(holder),
    inspect(holder, { depth: 9, showHidden: true }),
    format('%o %j %s', secret, secret, secret),
    JSON.stringify(Object.entries(secret)),
  ]
  for (const text of shown) assert.ok(!text.includes(canary), text)
  assert.equal(secret.reveal(), canary)
})

test('a secret is read from a file, without the newline at its end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ops-secret-'))
  try {
    const file = join(folder, 'key')
    writeFileSync(file, `${canary}\n`)
    const secret = new Secret({ file })
    assert.throws(() => secret.reveal(), /before it was resolved/)
    secret.resolve(fromMachine({}))
    assert.equal(secret.reveal(), canary)
    writeFileSync(file, '\n')
    assert.throws(() => new Secret({ file }).resolve(fromMachine({})), /is empty; write the secret into it/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a secret that is not there names the variable or the file, and the fix', () => {
  const reader = fromMachine({ SET: canary })
  const secret = new Secret({ env: 'SET' })
  secret.resolve(reader)
  assert.equal(secret.reveal(), canary)
  assert.throws(() => new Secret({ env: 'UNSET' }).resolve(reader), /'UNSET' is not set; set it/)
  assert.throws(
    () => new Secret({ file: '/nowhere/key' }).resolve(reader),
    /'\/nowhere\/key' cannot be read \(ENOENT\)/,
  )
})

test('a secret is written as text, as a file or as a variable, and as nothing else', () => {
  for (const given of ['text', { file: 'x' }, { env: 'X' }]) assert.ok(SecretText.parse(given) instanceof Secret)
  for (const given of ['', 3, {}, { file: '' }, { file: 'x', env: 'X' }])
    assert.equal(SecretText.safeParse(given).success, false)
})

test('the mask covers a secret in every encoding it may be printed in, and nothing short', () => {
  const mask = masker([new Secret(canary), new Secret('a')])
  const forms = [
    canary,
    Buffer.from(canary).toString('base64'),
    Buffer.from(canary).toString('base64url'),
    encodeURIComponent(canary),
    JSON.stringify({ key: canary }),
  ]
  for (const form of forms) assert.ok(!mask(`authorization ${form} sent`).includes(form), form)
  assert.equal(mask('a plain line'), 'a plain line')
})

test('secrets are found however deep they are', () => {
  assert.equal(secretsIn({ a: [new Secret('x')], b: { c: new Secret('y') }, d: null, e: 'z' }).length, 2)
})
