import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readTime } from './parse.ts'

const reference = Date.parse('2026-11-22T12:00:00Z')

test('formats of real logs are read, in UTC unless they give an offset', () => {
  const f = (line: string, time: string, spelled: string): void => {
    const found = readTime(line, reference)
    assert.ok(found, line)
    assert.equal(new Date(found.time).toISOString(), time, line)
    assert.equal(line.slice(found.from, found.to), spelled)
  }
  f('2026-11-22T10:00:00Z up', '2026-11-22T10:00:00.000Z', '2026-11-22T10:00:00Z')
  f('2026-11-22T10:00:00.123456789+02:00 up', '2026-11-22T08:00:00.123Z', '2026-11-22T10:00:00.123456789+02:00')
  f('2026-11-22 10:00:00.5 +0530 up', '2026-11-22T04:30:00.500Z', '2026-11-22 10:00:00.5 +0530')
  f('2026-11-22 10:00:00 UTC [12] LOG: up', '2026-11-22T10:00:00.000Z', '2026-11-22 10:00:00 UTC')
  f('2026/11/22 10:00:00 [error] 7#7: up', '2026-11-22T10:00:00.000Z', '2026/11/22 10:00:00')
  f('2015-10-18 18:01:47,978 INFO [main]', '2015-10-18T18:01:47.978Z', '2015-10-18 18:01:47,978')
  f('2015-07-29 17:41:44,747 - INFO  [x]', '2015-07-29T17:41:44.747Z', '2015-07-29 17:41:44,747')
  f('2005-06-03-15.42.50.675872 R02', '2005-06-03T15:42:50.675Z', '2005-06-03-15.42.50.675872')
  f('20171223-22:15:29:606|Step_LSC', '2017-12-23T22:15:29.606Z', '20171223-22:15:29:606')
  f('20171223T221529Z up', '2017-12-23T22:15:29.000Z', '20171223T221529Z')
  f('081109 203615 148 INFO dfs', '2008-11-09T20:36:15.000Z', '081109 203615')
  f('170609 20:10:40 [Note] mysqld', '2017-06-09T20:10:40.000Z', '170609 20:10:40')
  f('17/06/09 20:10:40 INFO executor', '2017-06-09T20:10:40.000Z', '17/06/09 20:10:40')
  f('[Sun Dec 04 04:47:44 2005] [notice]', '2005-12-04T04:47:44.000Z', 'Sun Dec 04 04:47:44 2005')
  f('Sun Dec  4 04:47:44 UTC 2005 up', '2005-12-04T04:47:44.000Z', 'Sun Dec  4 04:47:44 UTC 2005')
  f('Sun, 06 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37.000Z', '06 Nov 1994 08:49:37 GMT')
  f('h - fred [10/Oct/2000:13:55:36 -0700] "GET /"', '2000-10-10T20:55:36.000Z', '10/Oct/2000:13:55:36 -0700')
  f('10-Oct-2000 13:55:36.123 INFO [main]', '2000-10-10T13:55:36.123Z', '10-Oct-2000 13:55:36.123')
  f('Jun 14, 2005 3:16:01 PM com.example.Foo', '2005-06-14T15:16:01.000Z', 'Jun 14, 2005 3:16:01 PM')
  f('Jun 14 15:16:01 combo sshd', '2026-06-14T15:16:01.000Z', 'Jun 14 15:16:01')
  f('<34>Oct 11 22:14:15 mymachine su:', '2026-10-11T22:14:15.000Z', 'Oct 11 22:14:15')
  f('<165>1 2003-10-11T22:14:15.003Z host', '2003-10-11T22:14:15.003Z', '2003-10-11T22:14:15.003Z')
  f('[10.30 16:49:06] chrome.exe', '2026-10-30T16:49:06.000Z', '10.30 16:49:06')
  f('30.10.2025 16:49:06 up', '2025-10-30T16:49:06.000Z', '30.10.2025 16:49:06')
  f('11/22/2025 04:49:06 PM up', '2025-11-22T16:49:06.000Z', '11/22/2025 04:49:06 PM')
  f('03-17 16:13:38.811  1702  2395 D W', '2026-03-17T16:13:38.811Z', '03-17 16:13:38.811')
  f('I0102 15:04:05.678901    1 main.go:7] up', '2026-01-02T15:04:05.678Z', 'I0102 15:04:05.678901')
  f('- 1117838570 2005.06.03 R02', '2005-06-03T22:42:50.000Z', '1117838570')
  f('1700000000.25 up', '2023-11-14T22:13:20.250Z', '1700000000.25')
  f('1700000000123 up', '2023-11-14T22:13:20.123Z', '1700000000123')
  f('1700000000123456789 up', '2023-11-14T22:13:20.123Z', '1700000000123456789')
  f('level=info ts=2026-11-22T10:00:00Z msg=up', '2026-11-22T10:00:00.000Z', '2026-11-22T10:00:00Z')
  f('1:M 01 Jan 2020 10:00:00.123 * Ready', '2020-01-01T10:00:00.123Z', '01 Jan 2020 10:00:00.123')
  f('api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 7', '2017-05-16T00:00:00.008Z', '2017-05-16 00:00:00.008')
})

test('a year that is missing is the latest one that is not in the future', () => {
  const f = (line: string, at: string, time: string): void =>
    assert.equal(new Date(readTime(line, Date.parse(at))!.time).toISOString(), time)
  f('Dec 31 23:59:59 h x', '2026-01-02T00:00:00Z', '2025-12-31T23:59:59.000Z')
  f('Jan  2 23:00:00 h x', '2026-01-02T00:00:00Z', '2026-01-02T23:00:00.000Z')
  f('Jan  3 00:00:01 h x', '2026-01-02T00:00:00Z', '2025-01-03T00:00:01.000Z')
  f('Jan  1 00:00:01 h x', '2025-12-31T12:00:00Z', '2026-01-01T00:00:01.000Z')
  f('Feb 29 10:00:00 h x', '2026-11-22T00:00:00Z', '2024-02-29T10:00:00.000Z')
})

test('what is no time of writing is not read as one', () => {
  const f = (line: string): void => assert.equal(readTime(line, reference), undefined, line)
  f('')
  f('the certificate expires 2019-01-01 00:00:00')
  f('    at com.example.Foo(Foo.java:12) 2019-01-01 00:00:00')
  f('2026-13-01 10:00:00 no such month')
  f('2026-02-29 10:00:00 no such day')
  f('2026-11-22 24:00:01 no such hour')
  f('16:49:06.123 INFO no date')
  f('9999999999 behind the reference')
  f('0000000042 long before')
  f('version 1.2.3 of 10.0.0.1:8080')
  f(`${'x'.repeat(200)} 2026-11-22 10:00:00`)
})

test('a written time is read back, whatever it is and wherever it is written', () => {
  const times = fc.integer({ min: Date.parse('1971-01-01'), max: Date.parse('2199-12-30') })
  const offsets = fc.integer({ min: -56, max: 56 }).map(quarters => quarters * 15)
  fc.assert(
    fc.property(times, offsets, (time, minutes) => {
      const sign = minutes < 0 ? '-' : '+'
      const two = (n: number): string => String(n).padStart(2, '0')
      const offset = `${sign}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`
      const local = new Date(time + minutes * 60_000).toISOString().slice(0, -1)
      assert.equal(readTime(`${local}${offset} up`, reference)?.time, time)
      assert.equal(readTime(`[${local.replace('T', ' ')} ${offset.replace(':', '')}] up`, reference)?.time, time)
    }),
    { seed: 1 },
  )
})

test('no line is too strange', () => {
  const pieces = fc.constantFrom(
    '2026',
    '-',
    '/',
    ':',
    '.',
    ' ',
    '[',
    '10',
    'Jan',
    'Sun',
    'T',
    'I0',
    '+',
    '0530',
    '\0',
    'é',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), parts => {
      const line = parts.join('')
      const found = readTime(line, reference)
      if (found === undefined) return
      assert.ok(Number.isInteger(found.time))
      assert.ok(found.from >= 0 && found.from < found.to && found.to <= line.length)
    }),
    { seed: 2, numRuns: 2_000 },
  )
})
