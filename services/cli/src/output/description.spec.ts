import { describe, expect, it } from '@jest/globals';
import { DPU, NOW, PORT } from '../../test/samples.js';
import { formatDescription } from './description.js';
import type { EventRecord } from './event.js';

const event = (transition: string, time: string | undefined, message: string): EventRecord => ({
  sequence: 1,
  time,
  transition,
  tenant: 'acme',
  kind: 'port',
  name: 'web-0',
  cause: undefined,
  actor: 'tenant/acme',
  requestedBy: undefined,
  revision: 7,
  body: {},
  message,
});

describe('a description', () => {
  it('tells everything: identity, spec, status, conditions, users and events', () => {
    const description = {
      resource: PORT,
      users: { listed: [{ tenant: 'acme', kind: 'servicechain', name: 'inspect' }], total: 3 },
      events: [
        event('accepted', '2026-11-22T10:04:00.000Z', 'generation 3'),
        event('ready', '2026-11-22T10:05:00.000Z', 'AppliedAndReadBack: 1 of 1 DPU'),
      ],
    };
    expect(`\n${formatDescription(description, NOW).join('\n')}\n`).toBe(`
Kind:         Port (network.outboard.dev/v1alpha1)
Tenant:       acme
Name:         web-0
Labels:       app=web,tier=front
Uid:          01a202b7-58e0-7a2e-8c1b-000000000001
Generation:   3
Revision:     1042
Created:      2026-11-22T10:05:00Z (3m ago)
Spec:
  network: blue
  function:
    serialNumber: MT2113X00042
    pfMacAddress: 08:c0:eb:8a:d7:8a
    vfNumber: 3
  addresses:
    - subnet: blue-v4
      ip: 10.0.1.5
    - subnet: blue-v6
  adminState: UP
  offload: PREFERRED
Status:
  observedGeneration: 3
  dpu: dpu-7
  representor: pf0vf3
  mtu: 1450
  macAddress: 02:00:5e:00:10:05
  addresses:
    - subnet: blue-v4
      ip: 10.0.1.5
      prefixLength: 24
      gateway: 10.0.1.1
    - subnet: blue-v6
      ip: fd00:0:1::5
      prefixLength: 64
      gateway: fd00:0:1::1
  segment:
    networkType: VXLAN
    segmentationId: 5001
  offload:
    state: SOFTWARE
    reason: NoHardware
  propagated:
    applied: 1
    total: 2
    lagging:
      - dpu-9
Conditions:
  TYPE       STATUS   REASON               SINCE                  MESSAGE
  Accepted   True     Valid                2026-11-22T10:05:00Z   The spec obeys every rule and is stored; addresses are allocated.
  Ready      True     AppliedAndReadBack   2026-11-22T10:05:00Z   The DPU has applied it and read it back.
Used by:
  acme/servicechain/inspect
  and 2 more
Events:
  WHEN     EVENT      MESSAGE
  4m ago   accepted   generation 3
  3m ago   ready      AppliedAndReadBack: 1 of 1 DPU
`);
  });

  it('tells which parts cannot be known and why, and shows the rest', () => {
    const description = { resource: DPU, users: 'no service answers', events: 'no stream' };
    const lines = formatDescription(description, NOW);
    expect(lines).toContain('  not known: no service answers');
    expect(lines).toContain('  not known: no stream');
    expect(lines).toContain('    address: 192.0.2.7');
  });

  it('of something that nobody uses and of which no event is kept says so', () => {
    const lines = formatDescription({ resource: DPU, users: { listed: [], total: 0 }, events: [] }, NOW);
    expect(lines.slice(-4)).toEqual(['Used by:', '  nothing', 'Events:', '  none are kept']);
  });
});
