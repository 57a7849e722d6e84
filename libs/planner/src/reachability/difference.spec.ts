import { beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import type { IpFamily, Protocol } from '@outboard/model';
import fc from 'fast-check';
import {
  app,
  explained,
  HTTP,
  lab,
  PING,
  type Probe,
  policy,
  port,
  reset,
} from '../../test/reachability-lab.js';
import type { Command, FlowChange, PlannedKind } from '../index.js';
import { differenceOf } from '../index.js';

beforeEach(reset);

describe('the difference that a service chain makes to what leaves the router', () => {
  it('is told of destinations: what it closes, and what opens again with its hops or its end', () => {
    lab.apply('Router', 'default', { externalGateway: { sourceNat: 'DPU_ADDRESS' } });
    unwrap(lab.decide(port('fw-in', 'dpu-1', 3, 'hop', { adminState: 'DOWN' })));
    const told = (command: Command): string[] => {
      const { flows = [] } = differenceOf(lab.world, command, unwrap(lab.dryRun(command))) ?? {};
      unwrap(lab.decide(command));
      return flows.map(({ change, family, from, to }) => {
        const where = 'prefix' in to ? to.prefix : to.names.join(' ');
        return `${change} ${family} ${from.names.join(' ')} to ${where}`;
      });
    };
    const hops = [{ name: 'firewall', ingressPort: 'fw-in' }];
    const chain = (spec: object) => lab.command('ServiceChain', 'out', { ...app('web'), hops, ...spec });
    expect(told(chain({ destination: { external: true } }))).toEqual(['STOPS 4 web-0 web-1 to 0.0.0.0/0']);
    // The hop is on one of the DPUs.
    const up = told(port('fw-in', 'dpu-1', 3, 'hop'));
    expect(up.filter((line) => line.includes('web') && line.includes('/'))).toEqual([
      'BEGINS 4 web-0 to 0.0.0.0/0',
    ]);
    expect(told(chain({ destination: { cidrs: ['192.0.2.0/24'] } }))).toEqual([
      'BEGINS 4 web-1 to 0.0.0.0/0',
    ]);
    expect(told({ operation: 'delete', kind: 'ServiceChain', tenant: 'acme', name: 'out' })).toEqual([
      'BEGINS 4 web-1 to 192.0.2.0/24',
    ]);
  });
});

describe('the difference that other routes make', () => {
  const addressOf = (name: string): string => lab.port(name).status.addresses[0]?.ip ?? '';
  const routes = (...names: string[]) =>
    names.length === 0
      ? []
      : [{ destination: '10.8.0.0/16', nextHops: names.map((name) => ({ address: addressOf(name) })) }];
  /** `BEGINS web-0 db-0 web-1 to 10.8.0.0/16: TCP, ...`: the flows that the command begins or stops, after it is carried out. */
  const differences = (command: Command): string[] => {
    const planned = unwrap(lab.dryRun(command));
    const { flows = [] } = differenceOf(lab.world, command, planned) ?? {};
    unwrap(lab.decide(command));
    const lines = flows.map(({ change, from, to, services }) => {
      const what = services.map(
        ({ protocol, first }) => `${protocol}${first === undefined ? '' : ` ${first}`}`,
      );
      const where = 'prefix' in to ? regionText(to) : to.names.join(' ');
      return `${change} ${from.names.join(' ')} to ${where}: ${what.join(', ')}`;
    });
    return lines.sort();
  };
  const regionText = ({ prefix, except }: { readonly prefix: string; readonly except: readonly string[] }) =>
    except.length === 0 ? prefix : `${prefix} except ${except.join(' ')}`;
  const router = (spec: object) => lab.command('Router', 'default', spec);
  const ALL = 'TCP, UDP, ICMP, OTHER';

  it('is told of whole destinations: a route, another one, the way out, none', () => {
    expect(differences(router({ routes: routes('db-0') }))).toEqual([
      `BEGINS web-0 db-0 web-1 to 10.8.0.0/16: ${ALL}`,
    ]);
    const closed = { ...app('web'), ingress: [{ services: [{ protocol: 'TCP', port: 80 }] }] };
    unwrap(lab.decide(policy('closed', closed)));
    // By several next hops only what each of them accepts.
    expect(differences(router({ routes: routes('db-0', 'web-1') }))).toEqual([
      'STOPS db-0 to 10.8.0.0/16: TCP 0, TCP 81, UDP, ICMP, OTHER',
      'STOPS web-0 web-1 to 10.8.0.0/16: TCP 0, TCP 81, UDP, ICMP, OTHER',
    ]);
    const gateway = { externalGateway: { sourceNat: 'DPU_ADDRESS' } };
    expect(differences(router(gateway))).toEqual([
      `BEGINS db-0 to 0.0.0.0/0: ${ALL}`,
      'BEGINS db-0 to 10.8.0.0/16: TCP 0, TCP 81, UDP, ICMP, OTHER',
      `BEGINS web-0 web-1 to 0.0.0.0/0: ${ALL}`,
      'BEGINS web-0 web-1 to 10.8.0.0/16: TCP 0, TCP 81, UDP, ICMP, OTHER',
    ]);
    expect(
      differences({ operation: 'delete', kind: 'Router', tenant: 'acme', name: 'default' }),
    ).toHaveLength(2);
    expect(differences(router({}))).toEqual([]);
  });

  it('is told of parts of a destination that policies of the sender tell apart', () => {
    const set = lab.command('AddressSet', 'bad', { addresses: ['10.8.2.0/24', '10.8.1.128/25'] });
    unwrap(lab.decide(set));
    const egress = [
      {
        name: 'no',
        action: 'DENY',
        peers: [{ cidrBlock: { cidr: '10.8.1.0/24', except: ['10.8.1.7/32'] } }, { addressSet: 'bad' }],
      },
      { name: 'others', action: 'ALLOW' },
    ];
    unwrap(lab.decide(policy('egress', { ...app('web'), tier: 'ADMIN', priority: 1, egress })));
    expect(differences(router({ routes: routes('db-0') }))).toEqual([
      `BEGINS db-0 to 10.8.0.0/16: ${ALL}`,
      `BEGINS web-0 web-1 to 10.8.0.0/16 except 10.8.1.0/24 10.8.2.0/24: ${ALL}`,
      `BEGINS web-0 web-1 to 10.8.1.7/32: ${ALL}`,
    ]);
    // A longer prefix is another destination, though it begins with the same address.
    const longer = { destination: '10.8.0.0/17', nextHops: [{ address: addressOf('web-1') }] };
    const other = router({ routes: [longer] });
    expect(differences(router({ routes: [...routes('db-0'), longer] }))).toEqual([]);
    expect(differences(other)).toEqual([
      `STOPS db-0 to 10.8.0.0/16: ${ALL}`,
      `STOPS web-0 web-1 to 10.8.0.0/16: ${ALL}`,
    ]);
    unwrap(lab.decide({ operation: 'delete', kind: 'SecurityPolicy', tenant: 'acme', name: 'egress' }));
    unwrap(lab.decide({ operation: 'delete', kind: 'Router', tenant: 'acme', name: 'default' }));
  });

  it('is told of what a caller places, for the ports of the DPUs that have it', () => {
    const placed = { dpus: ['dpu-2'], route: { dst: '10.8.0.0/16', gateway: addressOf('db-0') } };
    expect(differences(lab.command('NetlinkObject', 'one', placed))).toEqual([
      `BEGINS web-1 to 10.8.0.0/16: ${ALL}`,
    ]);
  });

  it('is none for a network or a subnet that no port is in', () => {
    expect(differences(lab.command('Network', 'green', {}))).toEqual([]);
    const subnet = { network: 'green', cidr: '10.0.3.0/24' };
    expect(differences(lab.command('Subnet', 'green-v4', subnet))).toEqual([]);
  });

  it('is none for a policy that selects nobody yet, whatever peers it means', () => {
    const nobody = { ...app('absent'), ingress: [{ name: 'web', peers: [app('web')] }] };
    expect(differences(policy('ahead', nobody))).toEqual([]);
  });

  it('is told of ports that come to be connected, as when the MTU of their network is one that can be carried', () => {
    lab.apply('Network', 'wide', { router: 'default', mtu: 1400 });
    lab.apply('Subnet', 'wide-v4', { network: 'wide', cidr: '10.0.4.0/24' });
    for (const vfNumber of [3, 4]) {
      unwrap(lab.decide(port(`wide-${vfNumber}`, 'dpu-2', vfNumber, 'wide', { network: 'wide' })));
    }
    // The underlay of the DPU has become smaller.
    lab.dpu('dpu-2', { underlayMtu: 1400 });
    expect(lab.port('wide-3').status.dpu).toBeUndefined();
    const begun = differences(lab.command('Network', 'wide', { router: 'default', mtu: 1300 }));
    expect(begun).toEqual(
      expect.arrayContaining([
        `BEGINS wide-3 to wide-4: ${ALL}`,
        `BEGINS wide-4 to wide-3: ${ALL}`,
        `BEGINS wide-3 to web-0 db-0 web-1: ${ALL}`,
        `BEGINS web-0 db-0 web-1 to wide-3: ${ALL}`,
      ]),
    );
  });
});

describe('the difference that a command makes', () => {
  const PROBES: readonly Probe[] = [
    PING,
    HTTP,
    { protocol: 'TCP', service: 81 },
    { protocol: 'UDP', service: 53 },
    { protocol: 'ICMPv6', service: 128 * 256 },
  ];
  const NAMES = ['web-0', 'db-0', 'web-1', 'extra', 'red-0'];

  const familyOf = (protocol: Protocol): IpFamily => (protocol === 'ICMPv6' ? 6 : 4);

  /** Every flow that is possible now, port by port. */
  function possible(): Set<string> {
    const flows = NAMES.filter((name) => lab.world.ports.has(`acme/${name}`));
    return new Set(
      flows.flatMap((from) =>
        flows.flatMap((to) =>
          PROBES.filter((probe) => from !== to && explained(from, to, probe).verdict === 'ALLOWED').map(
            ({ protocol, service }) => `${from} ${to} ${protocol} ${service}`,
          ),
        ),
      ),
    );
  }

  const told = (flows: readonly FlowChange[], wanted: FlowChange['change']): Set<string> =>
    new Set(
      flows
        .filter(({ change }) => change === wanted)
        .flatMap(({ from, to, services, family }) =>
          from.names.flatMap((one) =>
            ('names' in to ? to.names : []).flatMap((other) =>
              PROBES.filter(
                ({ protocol, service }) =>
                  one !== other &&
                  NAMES.includes(one) &&
                  family === familyOf(protocol) &&
                  services.some(
                    ({ protocol: p, first = 0, last = 65_535 }) =>
                      p === protocol && first <= service && service <= last,
                  ),
              ).map(({ protocol, service }) => `${one} ${other} ${protocol} ${service}`),
            ),
          ),
        ),
    );

  /** In a network from which none of the others is reached. */
  const hop = (name: string, vfNumber: number, rest: object = {}) =>
    port(name, 'dpu-1', vfNumber, 'hop', { network: 'apart', ...rest });
  const FIREWALL = [{ name: 'firewall', ingressPort: 'fw-in', egressPort: 'fw-out' }];
  const label = fc.constantFrom('web', 'db', 'cache');
  const peer = fc.oneof(
    label.map(app),
    fc.constantFrom('10.0.1.0/24', '10.0.1.2/31', 'fd00::/16', '0.0.0.0/0').map((cidr) => ({
      cidrBlock: { cidr },
    })),
    fc.constant({ cidrBlock: { cidr: '10.0.0.0/8', except: ['10.0.1.3/32'] } }),
    fc.constant({ addressSet: 'office' }),
  );
  const service = fc.constantFrom(
    { protocol: 'TCP' },
    { protocol: 'TCP', port: 80, endPort: 90 },
    { protocol: 'TCP', portName: 'http' },
    { protocol: 'UDP', port: 53 },
    { protocol: 'ICMP', icmpType: 8 },
    { protocol: 'ICMPv6' },
  );
  interface Rule {
    readonly name: string;
    readonly action: string;
    readonly peers: readonly object[];
    readonly services: readonly object[];
  }
  const rulesWith = (actions: readonly string[]): fc.Arbitrary<Rule[]> =>
    fc
      .array(
        fc.record({
          action: fc.constantFrom(...actions),
          peers: fc.array(peer, { maxLength: 2 }),
          services: fc.array(service, { maxLength: 2 }),
        }),
        { maxLength: 2 },
      )
      .map((rules) => rules.map((rule, index) => ({ name: `r${index}`, ...rule })));
  /** Where others than ports may be reached, no port can be named. */
  const toPorts = (rules: fc.Arbitrary<Rule[]>) =>
    rules.map((list) =>
      list.map((rule) => ({
        ...rule,
        services: rule.services.filter(
          (one) =>
            !('portName' in one) ||
            (rule.peers.length > 0 && rule.peers.every((each) => 'portSelector' in each)),
        ),
      })),
    );
  const selected = fc.option(label, { nil: undefined });
  const spec = (tier: string, actions: readonly string[], priority: number | undefined) =>
    fc
      .record({ chosen: selected, ingress: rulesWith(actions), egress: toPorts(rulesWith(actions)) })
      .map(({ chosen, ...rules }) => ({
        tier,
        ...(priority !== undefined && { priority }),
        portSelector: chosen === undefined ? {} : app(chosen).portSelector,
        ...rules,
      }));
  const policySpec = fc.oneof(
    spec('ADMIN', ['ALLOW', 'DENY', 'PASS'], 1),
    spec('DEFAULT', ['ALLOW'], undefined),
    spec('BASELINE', ['ALLOW', 'DENY'], 1),
  );
  type Step = () => Command;
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ name: fc.constantFrom('p', 'q', 'r'), body: policySpec }).map(
      ({ name, body }) =>
        () =>
          policy(name, body),
    ),
    fc
      .record({
        chosen: label,
        destination: fc.constantFrom<object[]>(
          { network: 'red' },
          { cidrs: ['10.0.1.2/31', 'fd00:2::/64'] },
          { cidrs: ['10.0.0.0/8'] },
        ),
        failureMode: fc.constantFrom('FAIL_CLOSED', 'FAIL_CLOSED', 'FAIL_OPEN'),
      })
      .map(
        ({ chosen, ...rest }) =>
          () =>
            lab.command('ServiceChain', 'c', { ...app(chosen), hops: FIREWALL, ...rest }),
      ),
    fc.constantFrom('UP', 'DOWN').map((adminState) => () => hop('fw-in', 3, { adminState })),
    fc
      .constantFrom<[PlannedKind, string]>(['SecurityPolicy', 'p'], ['Port', 'extra'], ['ServiceChain', 'c'])
      .map(([kind, name]) => () => ({ operation: 'delete' as const, kind, tenant: 'acme', name })),
    fc
      .constantFrom(['10.0.1.2/32'], ['10.0.1.0/30', 'fd00:1::/64'], [])
      .map((addresses) => () => lab.command('AddressSet', 'office', { addresses })),
    fc.record({ chosen: label, adminState: fc.constantFrom('UP', 'DOWN'), named: fc.boolean() }).map(
      ({ chosen, adminState, named }) =>
        () =>
          port('extra', 'dpu-2', 1, chosen, {
            adminState,
            ...(named && { namedPorts: [{ name: 'http', protocol: 'TCP', port: 81 }] }),
          }),
    ),
  );

  it('is exactly what begins and what stops to be possible, port by port, whatever is changed', () => {
    let changes = 0;
    let chained = 0;
    lab.apply('Router', 'other', {});
    lab.apply('Network', 'apart', { router: 'other' });
    lab.apply('Subnet', 'apart-v4', { network: 'apart', cidr: '10.0.7.0/24' });
    for (const [index, name] of ['fw-in', 'fw-out'].entries()) {
      unwrap(lab.decide(hop(name, 3 + index)));
    }
    unwrap(lab.decide(port('red-0', 'dpu-2', 2, 'cache', { network: 'red' })));
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        lab.restart();
        for (const name of ['p', 'q', 'r']) lab.tryDelete('SecurityPolicy', name);
        lab.tryDelete('Port', 'extra');
        lab.tryDelete('ServiceChain', 'c');
        lab.apply('AddressSet', 'office', { addresses: ['10.0.1.4/32'] });
        for (const make of steps) {
          const command = make();
          const before = possible();
          const planned = lab.dryRun(command);
          if (!planned.ok) continue;
          const difference = differenceOf(lab.world, command, planned.value);
          expect(possible()).toEqual(before);
          unwrap(lab.decide(command));
          const after = possible();
          const flows = difference?.flows ?? [];
          expect(told(flows, 'BEGINS')).toEqual(new Set([...after].filter((flow) => !before.has(flow))));
          expect(told(flows, 'STOPS')).toEqual(new Set([...before].filter((flow) => !after.has(flow))));
          changes += flows.length;
          if (planned.value.decision.resource.kind === 'ServiceChain') chained += flows.length;
        }
      }),
      { numRuns: 45 },
    );
    expect(changes).toBeGreaterThan(100);
    expect(chained).toBeGreaterThan(20);
  });
});
