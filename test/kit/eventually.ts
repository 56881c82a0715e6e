import { setTimeout as wait } from 'node:timers/promises'

/** Tries until it holds, for what another process does in its own time; fails as it failed last when time is up. */
export async function eventually<T>(check: () => Promise<T>, within = 20_000): Promise<T> {
  const deadline = performance.now() + within
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await wait(50)
    }
  }
}
