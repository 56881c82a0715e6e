import { join } from 'node:path'
import { ServiceCatalogue } from '../../operators/services.ts'
import { Config } from '../../pipelines/config.ts'
import { buildGraphs } from '../../pipelines/graphs.ts'
import { startPipelines } from '../../pipelines/running.ts'
import { openEmbeddedLog } from '../../pipelines/sources/embedded-log.ts'
import { openEmbeddedStore } from '../../sinks/embedded-store.ts'
import { migrate } from '../../sinks/migrate.ts'
import { realClock, recordingLogger } from './log.ts'

// Runs the pipelines over the data folder that is its argument until everything in its topics is worked through, with
// nothing left to the wall clock. Prints the warnings of the log, one a line.

const data = process.argv[2]!
const config = Config.parse({
  data,
  log: { in: 'embedded', partitions: Number(process.argv[3]) },
  detection: { idleAfter: '1h' },
})
const logger = recordingLogger()
const log = await openEmbeddedLog({ dataDir: data, clock: realClock, logger })
const store = await openEmbeddedStore({ path: join(data, 'clickhouse') })
await migrate(store)
const catalogue = ServiceCatalogue.parse({})
const running = await startPipelines(config, buildGraphs(config, catalogue, []), catalogue, {
  ...{ log, store, clock: realClock, logger, random: Math.random },
})
await Promise.race([running.settled(), running.done])
await running.close()
await store.close()
await log.close()
for (const { level, message } of logger.lines) if (level === 'warn') process.stdout.write(`${message}\n`)
