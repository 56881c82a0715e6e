import { z } from 'zod'

// The service catalogue, services.yaml: who owns what, what it needs, and where actions on it go.

const Target = z
  .strictObject({
    render: z.strictObject({ serviceId: z.string().min(1).describe('Render service id, srv-…') }).optional(),
    kubernetes: z
      .strictObject({
        namespace: z.string().min(1),
        workload: z
          .string()
          .regex(
            /^(deployment|statefulset|daemonset)\/[a-z0-9.-]+$/,
            'write it as deployment/name, statefulset/name or daemonset/name',
          ),
      })
      .optional(),
  })
  .describe('Where actions on the service go in one environment.')
export type Target = z.output<typeof Target>

export const Service = z.strictObject({
  owner: z.string().optional().describe('Team or person answering for the service.'),
  tier: z.int().min(1).max(4).default(3).describe('1: its outage is everybody’s outage. 4: nobody notices.'),
  channel: z.string().optional().describe('Where people hear of it, for example #checkout.'),
  dependencies: z.array(z.string()).default([]).describe('Services it calls.'),
  aliases: z.array(z.string()).default([]).describe('Other names under which its telemetry arrives.'),
  environments: z
    .record(z.string(), Target)
    .default({})
    .describe('Where actions go, per environment. None named: no action is possible.'),
})
export type Service = z.output<typeof Service>

/** services.yaml */
export const ServiceCatalogue = z
  .strictObject({ services: z.record(z.string(), Service).default({}) })
  .check(context => {
    const names = new Set(Object.keys(context.value.services))
    for (const [name, service] of Object.entries(context.value.services))
      for (const dependency of service.dependencies)
        if (!names.has(dependency))
          context.issues.push({
            code: 'custom',
            input: dependency,
            path: ['services', name, 'dependencies'],
            message: `'${dependency}' is not a service of this file; add it, or correct the name`,
          })
  })
export type ServiceCatalogue = z.output<typeof ServiceCatalogue>

/** Where actions on a service of an environment go; undefined: nowhere, and none may be taken. */
export function targetOf(
  catalogue: ServiceCatalogue,
  place: { environment: string; service: string },
): Target | undefined {
  const environments = own(catalogue.services, place.service)?.environments
  return environments && own(environments, place.environment)
}

/** Names come from telemetry: `constructor` must not be found where nobody wrote it. */
function own<T>(things: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(things, name) ? things[name] : undefined
}

/** Services that the given one calls, directly or through others, nearest first. */
export function dependenciesOf(catalogue: ServiceCatalogue, service: string): string[] {
  const found: string[] = []
  const seen = new Set([service])
  let next = [service]
  while (next.length > 0) {
    next = next
      .flatMap(name => own(catalogue.services, name)?.dependencies ?? [])
      .filter(name => !seen.has(name) && seen.add(name))
    found.push(...next)
  }
  return found
}

/** Whether two services can share an outage: the same one, or one calls the other, directly or through others. */
export function related(catalogue: ServiceCatalogue, a: string, b: string): boolean {
  return a === b || dependenciesOf(catalogue, a).includes(b) || dependenciesOf(catalogue, b).includes(a)
}
