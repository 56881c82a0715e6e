import { parseArgs } from 'node:util'
import { faults } from './faults.ts'
import { RenderApiServer } from './render/api.ts'
import { Fleet } from './render/fleet.ts'

// The shop and its Render API without an agent, for looking at telemetry, for drills, for trying things by hand:
// `node deploy/demo/shop.ts --otlp http://127.0.0.1:4318`. Runs until Ctrl-C. A line on standard input, such as
// `memory-leak`, injects that fault.

const help = `usage: node deploy/demo/shop.ts [--otlp URL] [--port PORT] [--interval MS] [--temporality cumulative|delta]

  --otlp URL        where the processes send OTLP/HTTP (default http://127.0.0.1:4318)
  --port PORT       port of the Render API emulator, key rnd_demo (default 8090; 0: any free one)
  --interval MS     milliseconds between exports (default 1000)
  --temporality T   of counters and histograms (default cumulative)

while it runs, type the name of a fault to inject it: ${faults.map(({ name }) => name).join(', ')}`

const { values } = parseArgs({
  options: {
    otlp: { type: 'string', default: 'http://127.0.0.1:4318' },
    port: { type: 'string', default: '8090' },
    interval: { type: 'string', default: '1000' },
    temporality: { type: 'string', default: 'cumulative' },
    help: { type: 'boolean', default: false },
  },
})

async function run(): Promise<void> {
  const fleet = new Fleet({
    endpoint: values.otlp,
    metricInterval: Number(values.interval),
    logDelay: Number(values.interval),
    temporality: values.temporality === 'delta' ? 'delta' : 'cumulative',
    onTrouble: text => console.error(text),
  })
  const api = new RenderApiServer({ fleet, apiKey: 'rnd_demo' })
  let stopping = false
  const stop = async (): Promise<void> => {
    if (stopping) return
    stopping = true
    await Promise.all([api.close(), fleet.stop()])
    process.exit(0)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  await fleet.start()
  await api.listen(Number(values.port))
  console.log(`shop ${fleet.get('gateway').proxy.url}, Render API ${api.url}, pids ${fleet.pids().join(' ')}`)
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    const fault = faults.find(({ name }) => name === text.trim())
    if (fault === undefined) console.error(`'${text.trim()}' is not a fault: ${faults.map(f => f.name).join(', ')}`)
    else void fleet.inject(fault.service, fault.name).then(() => console.log(`${fault.name}: ${fault.story}`))
  })
}

if (values.help) console.log(help)
else await run()
