import { unwrap } from '@outboard/core';
import type { IpAddress, Name, Protocol, TenantName } from '@outboard/model';
import { explain } from '../src/index.js';
import { identityOf, Lab } from './lab.js';

/** Made anew by `reset`. */
export let lab: Lab;

/** What a packet asks for: a destination port, or type * 256 + code of ICMP. */
export interface Probe {
  readonly protocol: Protocol;
  readonly service: number;
}
export const PING: Probe = { protocol: 'ICMP', service: 8 * 256 };
export const HTTP: Probe = { protocol: 'TCP', service: 80 };

/** What is explained of a flow of acme's. */
export const explained = (from: string, to: string, { protocol, service }: Probe, source?: string) =>
  unwrap(
    explain(lab.world, {
      tenant: 'acme' as TenantName,
      from: from as Name,
      source: source as IpAddress | undefined,
      to: /[.:]/.test(to)
        ? { kind: 'address', address: to as IpAddress }
        : { kind: 'port', name: to as Name },
      protocol,
      service,
    }),
  );

export const port = (name: string, dpu: string, vfNumber: number, app: string, spec: object = {}) =>
  lab.command(
    'Port',
    name,
    { network: 'blue', function: identityOf(dpu, vfNumber), ...spec },
    { labels: { app } },
  );

export const policy = (name: string, spec: object) => lab.command('SecurityPolicy', name, spec);
export const app = (value: string) => ({ portSelector: { matchLabels: { app: value } } });

/** Two networks; of the first, ports web-0 and db-0 on one DPU, web-1 on another. */
export function reset(): void {
  lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2'], 8);
  for (const [network, digit] of [
    ['blue', 1],
    ['red', 2],
  ] as const) {
    lab.apply('Network', network, {});
    lab.apply('Subnet', `${network}-v4`, { network, cidr: `10.0.${digit}.0/24` });
    lab.apply('Subnet', `${network}-v6`, { network, cidr: `fd00:${digit}::/64` });
  }
  for (const [name, dpu, vfNumber, label] of [
    ['web-0', 'dpu-1', 0, 'web'],
    ['db-0', 'dpu-1', 1, 'db'],
    ['web-1', 'dpu-2', 0, 'web'],
  ] as const) {
    unwrap(lab.decide(port(name, dpu, vfNumber, label)));
  }
}
