import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLevel, readSeverity, syslogSeverity } from './severity.ts'

test('the level of a line is read where a header would have it', () => {
  const f = (line: string, severity: number): void => assert.equal(readSeverity(line), severity, line)
  f('2015-10-18 18:01:47,978 INFO [main] ERROR is only a word of the message', 9)
  f('2015-07-29 17:41:44,747 - WARN  [x]', 13)
  f('[Sun Dec 04 04:47:44 2005] [error] mod_jk', 17)
  f('[Sun Dec 04 04:47:44 2005] [notice] in error state 6', 10)
  f('ts=2026-11-22T10:00:00Z level=warn msg="x"', 13)
  f('{"level":"fatal","msg":"x"}', 21)
  f('2016-09-28 04:30:30, Info                  CBS', 9)
  f('sshd[1]: error: connect failed', 17)
  f('x | ERROR | y', 17)
  f('<34>Oct 11 22:14:15 su: failed', 18)
  f('<165>1 2003-10-11T22:14:15.003Z host', 10)
  f('E0102 15:04:05.678901 1 main.go:7] x', 17)
  f('03-17 16:13:38.811  1702  2395 W Window: x', 13)
  f('2014-11-03T18:28:32.450-0500 I NETWORK x', 9)
  f('W, [2020-01-01T10:00:00.1 #1]  WARN -- : x', 13)
  f('D/Tag( 123): x', 5)
})

test('a word that is no level is not read as one', () => {
  const f = (line: string): void => assert.equal(readSeverity(line), 0, line)
  f('')
  f('an error occurred while no warning was given')
  f('wrote /var/log/error.log')
  f('ERROR_CODE 7')
  f('retry-error handler')
  f('debug=false')
  f('{"error": null}')
  f('I am the walrus')
  f('<999>x')
})

test('words of any sender are levels', () => {
  assert.deepEqual(
    ['Information', 'WRN', 'err', 'f', ' Critical ', 'nonsense', ''].map(readLevel),
    [9, 13, 17, 21, 18, 0, 0],
  )
  assert.deepEqual([0, 3, 4, 6, 7, 8, -1].map(syslogSeverity), [21, 17, 13, 9, 5, 0, 0])
})
