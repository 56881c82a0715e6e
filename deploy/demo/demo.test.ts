import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { ServiceCatalogue } from '../../operators/services.ts'
import { services } from './shop/services.ts'

const demo = (...flags: string[]) =>
  spawnSync(process.execPath, [fileURLToPath(new URL('./demo.ts', import.meta.url)), ...flags], { encoding: 'utf8' })

test('--help says what happens, and a wrong flag what would be right', () => {
  const help = demo('--help')
  assert.equal(help.status, 0)
  assert.match(help.stdout, /--keep .*\n$/)
  const wrong = demo('--kepe')
  assert.equal(wrong.status, 2)
  assert.match(wrong.stderr, /'--kepe'.*--keep/s)
})

test('services.yaml is the shop: the same services, the same calls, an address at Render for each but the customers', () => {
  const text = readFileSync(new URL('./services.yaml', import.meta.url), 'utf8')
  const catalogue = ServiceCatalogue.parse(parse(text))
  const written = Object.entries(catalogue.services).map(([name, { dependencies, environments }]) => ({
    name,
    calls: [...dependencies].sort(),
    render: environments.demo?.render?.serviceId,
  }))
  const real = Object.entries(services).map(([name, { calls }]) => ({
    name,
    calls: [...calls].sort(),
    render: name === 'load' ? undefined : `srv-demo-${name}`,
  }))
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)
  assert.deepEqual(written.sort(byName), real.sort(byName))
})
