import { openSync, writeSync } from 'node:fs'
import { Runner } from '../../../pipelines/runtime/runner.ts'
import type { Batch } from '../../../pipelines/sources/log.ts'

// Loaded into an agent by `--import`: writes to the file CHAOS_WORK when each call for a partition begins and ends, one
// JSON object a line. A line that is written survives the process, however it ends.

const file = openSync(process.env.CHAOS_WORK!, 'a')
let calls = 0

/** `at` is the machine's monotonic clock in nanoseconds, the same for all processes. */
function note(line: object): void {
  writeSync(file, `${JSON.stringify({ ...line, at: Number(process.hrtime.bigint()) })}\n`)
}

async function recorded<T>(call: string, pipeline: string, partition: number, work: () => Promise<T>): Promise<T> {
  const id = `${process.pid}/${++calls}`
  note({ id, call, pipeline, partition, is: 'begun' })
  try {
    return await work()
  } finally {
    note({ id, call, pipeline, partition, is: 'ended' })
  }
}

const { assigned, batch, idle, revoked } = Runner.prototype

Runner.prototype.assigned = function (this: Runner, topic, partition) {
  return recorded('assigned', this.name, partition, () => assigned.call(this, topic, partition))
}
Runner.prototype.batch = function (this: Runner, given: Batch) {
  return recorded('batch', this.name, given.partition, () => batch.call(this, given))
}
Runner.prototype.idle = function (this: Runner, topic, partition) {
  return recorded('idle', this.name, partition, () => idle.call(this, topic, partition))
}
Runner.prototype.revoked = function (this: Runner, topic, partition) {
  return recorded('revoked', this.name, partition, () => revoked.call(this, topic, partition))
}
