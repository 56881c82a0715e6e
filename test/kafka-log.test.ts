import { type KafkaLogOptions, openKafkaLog } from '../pipelines/sources/kafka-log.ts'
import { logContract } from './contract/log.ts'
import { testBroker } from './kit/broker.ts'
import { realClock, recordingLogger } from './kit/log.ts'

const broker = testBroker()
let tests = 0

const open = (address: string, more: Partial<KafkaLogOptions> = {}) =>
  openKafkaLog({ brokers: [address], clientId: 'test', clock: realClock, logger: recordingLogger(), ...more })

logContract(async t => {
  const running = await broker(t)
  if (!running) return undefined
  const prefix = `t${tests++}.`
  return {
    open: () => open(running.address, { prefix, sessionTimeout: 6_000 }),
    name: name => name.replaceAll(' ', '-'),
  }
})
