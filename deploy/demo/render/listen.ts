import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Listens on the loopback address; 0 lets the system choose. Resolves with the port. */
export async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** `preferred` if nobody listens there, else a port that the system says is free. */
export async function freePort(preferred: number): Promise<number> {
  const { createServer } = await import('node:http')
  for (const candidate of [preferred, 0]) {
    const server = createServer()
    try {
      const port = await listen(server, candidate)
      await new Promise(resolve => server.close(resolve))
      return port
    } catch {
      // Taken: the next candidate.
    }
  }
  throw new Error('no free port on 127.0.0.1')
}
