import { after, type TestContext } from 'node:test'
import { type Broker, type BrokerOptions, BrokerUnavailable, startBroker } from '../../deploy/kafka/broker.ts'

/**
 * A real Kafka broker for the tests of one file: started for the first that asks, stopped after the last. Where none
 * can be had, the test is skipped, loudly; with `CI=true` it fails.
 */
export function testBroker(options: BrokerOptions = {}): (t: TestContext) => Promise<Broker | undefined> {
  let started: Promise<Broker> | undefined
  after(async () => {
    const broker = await started?.catch(() => undefined)
    await broker?.stop()
  })
  return async t => {
    try {
      started ??= startBroker(options)
      return await started
    } catch (error) {
      if (!(error instanceof BrokerUnavailable) || process.env.CI === 'true') throw error
      console.error(`NOT TESTED AGAINST A REAL KAFKA: ${error.message}`)
      t.skip(error.message)
      return undefined
    }
  }
}
