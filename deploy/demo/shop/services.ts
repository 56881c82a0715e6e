/** The services of the shop: who calls whom, and what Render would call them. */
export const services = {
  gateway: { type: 'web_service', calls: ['catalog', 'checkout'] },
  checkout: { type: 'private_service', calls: ['payments', 'worker'] },
  payments: { type: 'private_service', calls: [] },
  catalog: { type: 'private_service', calls: [] },
  worker: { type: 'background_worker', calls: [] },
  load: { type: 'background_worker', calls: ['gateway'] },
} as const satisfies Record<string, { type: string; calls: readonly string[] }>

export type ServiceName = keyof typeof services

export const serviceNames = Object.keys(services) as ServiceName[]

/** The environment variable that holds the base URL of a service. */
export const addressVariable = (service: string): string => `SHOP_${service.toUpperCase()}_URL`
