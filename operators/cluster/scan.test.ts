import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Scan } from './scan.ts'
import { fitsLine, templateOf } from './tree.ts'

const scanned = (line: string, most = 200): Scan => {
  const scan = new Scan(most)
  scan.read(line)
  return scan
}
const f = (given: string, want: string): void => assert.equal(templateOf(scanned(given).words()), want, given)

test('numbers with their signs, units and fractions', () => {
  f('took 12ms of 1.5 s, -3 or 99%', 'took <*>ms of <*> s, <*> or <*>%'.replace('<*>ms', '<*>'))
  f('sum 1,234 vCores:-17>', 'sum <*>,<*> vCores:<*>>')
  f('0MB HIGHMEM, 80x25', '<*> HIGHMEM, <*>')
})

test('addresses, hosts and ports', () => {
  f('src: /10.251.73.220:50010 dest: 10.0.0.1', 'src: <*>:<*> dest: <*>')
  f('from ::ffff:10.0.0.1 via 00:1b:44:11:3a:b7 at 0000:00:1e.0', 'from <*> via <*> at <*>')
  f('open api.shop.example.com:443 from Main.java:85', 'open <*>:<*> from Main.java:<*>')
  f('github.com:443 and node-7/10.0.0.1:80', '<*>:<*> and <*>/<*>:<*>')
  f('com.example.app is no host', 'com.example.app is no host')
  f('mail from anna@example.com', 'mail from <*>')
})

test('identifiers: of hexadecimal digits, with prefixes, of machines and pods', () => {
  f('id 6f1ed002-ab55-419b-a3f4-b0d1f8a4e1c2.', 'id <*>.')
  f('commit 3b1aac9f at 0x7fff, ffffffff', 'commit <*> at <*>, <*>')
  f('blk_-6952295868487656571 of job_1445144423722_0020Job', '<*> of <*>')
  f('generating core.63 on R02-M1-N0', 'generating core.<*> on <*>')
  f('jetty-6.1.26, v1.2.3', 'jetty-<*>, <*>')
  f('5.4-1+deb11u1 and 2.3-rc1.', '<*> and <*>.')
  f('pod web-6d4b75cb6d-bcdfg up', 'pod web-<*> up')
})

test('paths and links', () => {
  f('GET /users/42/orders?page=3&x=y HTTP/1.1', 'GET <*> HTTP/<*>')
  f('to hdfs://a-1:9000/tmp/x.jar, or hdfs://a-1:9000', 'to hdfs://<*>, or hdfs://<*>:<*>')
  f('read C:\\Windows\\x.log and ./a/b', 'read <*> and <*>')
  f('tree/torus of I/O', 'tree/torus of I/O')
})

test('times and dates are one value each', () => {
  f('at Fri Jun 17 07:07:00 2005 for 04:50', 'at <*> for <*>')
  f('ts=2024-03-12T10:00:01.123Z', 'ts=<*>')
  f('[12/Mar/2024:10:00:01 +0000] in', '[<*>] in')
  f('2015-10-18 18:01:47,978 INFO', '<*> INFO')
  f('Monday may be fine', 'Monday may be fine')
})

test('a size and the same size for people, a bound, a list, an empty pair of brackets', () => {
  f('1210 bytes (1.18 KB) sent', '<*> bytes sent')
  f('lifetime <1 sec', 'lifetime <*>')
  f('blocks 1 2 3 4 5 6 7 deleted', 'blocks <*> deleted')
  f('softheader=1 2 3 4', 'softheader=<*> <*> <*> <*>')
  f('from 10.0.0.1 () by f()', 'from <*> (<*>) by f()')
})

test('words that are values by what they mean', () => {
  f('enabled:true user=root ws=null', 'enabled:<*> user=<*> ws=<*>')
  f('the roots are falsely named', 'the roots are falsely named')
})

test('names with a digit in them stay', () => f('jk2_init() over ssh2 by md5', 'jk2_init() over ssh2 by md5'))

test('letters that are not ASCII stay beside numbers', () => f('用户123登录 成功', '用户<*>登录 成功'))

test('a stack trace is its first line', () => {
  f('\n\nTypeError: boom\n  at x (a.js:1)\n  at y', 'TypeError: boom <*>')
  f('one line\n', 'one line')
})

test('a word longer than words are is data', () => {
  f(`ERROR ${'x'.repeat(900_000)} fatal`, 'ERROR <*> fatal')
  f(`ERROR ${'7'.repeat(900_000)}x fatal`, 'ERROR <*> fatal')
})

test('words after the limit are one value', () => assert.deepEqual(scanned('a b c d', 3).words(), ['a', ' b', ' <*>']))

const lines = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ unit: fc.constantFrom(...'ab09 .:-_/=(<>)[]@#%Jan'), maxLength: 60 }),
)

test('a line has at most so many words, none empty, and fits its own words', () => {
  fc.assert(
    fc.property(lines, fc.integer({ min: 2, max: 20 }), (text, limit) => {
      const scan = scanned(text, limit)
      const words = scan.words()
      assert.ok(words.length <= limit)
      for (const word of words) assert.match(word, /^ ?[^ \n\t]+$/)
      assert.ok(fitsLine(words, scan))
    }),
    { numRuns: 2_000 },
  )
})

test('lines of equal words have equal keys', () => {
  fc.assert(
    fc.property(lines, text => {
      const scan = scanned(text)
      // The same with other digits in its numbers.
      const other = scanned(text.replaceAll(/[1-9]/g, '7'))
      if (scan.words().join('\0') === other.words().join('\0')) assert.equal(scan.key, other.key)
    }),
  )
})

test('redrawing the digits of a number does not change the words', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), fc.integer({ min: 0 }), (a, b) => {
      const line = (value: number): string => `user=${value} size ${value}ms at /srv/${value}/x blk_-${value}`
      assert.deepEqual(scanned(line(a)).words(), scanned(line(b)).words())
    }),
  )
})
