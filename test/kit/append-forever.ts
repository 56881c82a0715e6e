// Appends to topic 't' of the data folder given until it is killed. Prints `partition end` after each acknowledgement;
// each value begins with the offset it must have.
import { openEmbeddedLog } from '../../pipelines/sources/embedded-log.ts'
import { realClock, recordingLogger } from './log.ts'

const [dataDir] = process.argv.slice(2)
if (dataDir === undefined) throw new Error('usage: append-forever.ts DATA_FOLDER')
const log = await openEmbeddedLog({ dataDir, clock: realClock, logger: recordingLogger(), segmentBytes: 50_000 })
await log.ensure([{ topic: 't', partitions: 2 }])
await Promise.all(
  (await log.ends('t')).map(async (end, partition) => {
    for (let next = end; ; ) {
      const count = 1 + (next % 7)
      const records = Array.from({ length: count }, (_, n) => ({
        topic: 't',
        key: null,
        partition,
        value: `${next + n} ${'x'.repeat((next + n) % 501)}`,
      }))
      await log.append(records)
      next += count
      process.stdout.write(`${partition} ${next}\n`)
    }
  }),
)
