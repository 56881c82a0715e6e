import { ClickhouseFront } from '../../kit/clickhouse-front.ts'

// A ClickHouse front in a process of its own, over the folder that is its argument. Prints its address.

const front = await new ClickhouseFront({ path: process.argv[2]! }).start()
process.stdout.write(`${front.url}\n`)
