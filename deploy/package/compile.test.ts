import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from './compile.ts'

const f = (given: string, want: string) => assert.equal(compile(given).replaceAll(/ +/g, ' ').trim(), want)

test('types go, and modules of ours are named by what they become', () => {
  f("import { a } from './a.ts'", "import { a } from './a.js'")
  f("export * from '../b/c.ts'", "export * from '../b/c.js'")
  f("const m = await import('./d.ts')", "const m = await import('./d.js')")
  f("const u = new URL('./worker.ts', import.meta.url)", "const u = new URL('./worker.js', import.meta.url)")
  f('import "./side.ts"', 'import "./side.js"')
  f('const x: number = 1', 'const x = 1')
})

test('what is only named like a module of ours stays', () => {
  for (const line of ["import x from 'other.ts'", "const name = './a.ts'", "// see './a.ts'"]) f(line, line)
})

test('lines and columns stay where they were', () => {
  const source = 'interface A {\n  b: string\n}\nexport const a = (x: A): string => x.b\n'
  const compiled = compile(source)
  assert.equal(compiled.split('\n').length, source.split('\n').length)
  assert.equal(compiled.indexOf('x.b'), source.indexOf('x.b'))
})

test('syntax that cannot be erased is refused', () => {
  assert.throws(() => compile('enum A { B }'))
})
