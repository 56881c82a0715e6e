import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { listen } from './listen.ts'

/** The lasting address of a service: requests go to its instances in turn, and a change of instances breaks none. */
export class ServiceProxy {
  readonly #service: string
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  #ports: readonly number[] = []
  #turn = 0
  #url = ''

  constructor(service: string) {
    this.#service = service
    this.#server = createServer((incoming, outgoing) => this.#forward(incoming, outgoing))
  }

  /** Base URL; known once `listen` has resolved. */
  get url(): string {
    return this.#url
  }

  async listen(): Promise<void> {
    this.#url = `http://127.0.0.1:${await listen(this.#server, 0)}`
  }

  /** Where requests go from now on; those under way finish where they are. */
  route(ports: readonly number[]): void {
    this.#ports = ports
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url: path, headers } = incoming
    // The control endpoint is for whoever holds the processes, not for whoever reaches the service.
    const hidden = path?.startsWith('/control/')
    const port = this.#ports[this.#turn++ % this.#ports.length]
    if (hidden || port === undefined) {
      refuse(outgoing, hidden ? 404 : 503, hidden ? 'not found' : `${this.#service} has no instance`)
      return
    }
    const upstream = request({ host: '127.0.0.1', port, method, path, headers, agent: this.#agent }, response => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
    })
    upstream.on('error', () => refuse(outgoing, 502, `${this.#service} broke the connection`))
    outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  }
}

function refuse(outgoing: ServerResponse, status: number, error: string): void {
  if (outgoing.headersSent) outgoing.destroy()
  else outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
}
