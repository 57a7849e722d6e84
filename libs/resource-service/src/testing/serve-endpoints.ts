import type { Bus, Endpoint, Subscription } from '@outboard/bus';

/**
 * Serves what the controller of a service does, without NestJS.
 *
 * @param handlers by their subjects.
 */
export const serveEndpoints = (
  bus: Pick<Bus, 'serve'>,
  name: string,
  handlers: Readonly<Record<string, Endpoint['handle']>>,
): Promise<Subscription> =>
  bus.serve({
    name,
    version: '1.0.0',
    description: name,
    maxInFlight: 1_000,
    endpoints: Object.entries(handlers).map(([subject, handle], index) => ({
      name: `endpoint-${index}`,
      subject,
      handle,
    })),
  });
