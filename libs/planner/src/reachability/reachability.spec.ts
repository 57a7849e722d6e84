import { beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import type { Name, TenantName } from '@outboard/model';
import { app, explained, HTTP, lab, PING, policy, port, reset } from '../../test/reachability-lab.js';
import { explain } from '../index.js';

beforeEach(reset);

describe('the way of a router', () => {
  const addressOf = (name: string): string => lab.port(name).status.addresses[0]?.ip ?? '';
  const route = (destination: string, ...names: string[]) =>
    lab.apply('Router', 'default', {
      routes: [{ destination, nextHops: names.map((name) => ({ address: addressOf(name) })) }],
    });
  const isolate = (value: string) => unwrap(lab.decide(policy('closed', { ...app(value), ingress: [] })));
  const HOST = '10.8.0.1';

  it('is every next hop of a route: a flow is allowed if it is by each', () => {
    route('10.8.0.0/16', 'db-0', 'web-1');
    expect(explained('web-0', HOST, HTTP)).toMatchObject({
      verdict: 'ALLOWED',
      message: `by ${addressOf('db-0')}, as by each of 2 next hops`,
      nextHops: [{ verdict: 'ALLOWED' }, { verdict: 'ALLOWED' }],
    });
    isolate('web');
    const { verdict, reason, message, nextHops, path } = explained('web-0', HOST, HTTP);
    expect({ verdict, reason }).toEqual({ verdict: 'DENIED', reason: 'Isolated' });
    expect(message).toMatch(
      new RegExp(`^by ${addressOf('web-1')}, one of 2 next hops: closed isolates port web-1`),
    );
    expect(nextHops.map((hop) => hop.verdict)).toEqual(['ALLOWED', 'DENIED']);
    expect(path.at(-1)).toMatchObject({ kind: 'bridgeDomain', dpu: 'dpu-2' });
  });

  it('is the longest prefix, also inside a subnet', () => {
    unwrap(lab.decide(port('red-0', 'dpu-2', 2, 'cache', { network: 'red' })));
    const destination = addressOf('red-0');
    expect(explained('web-0', destination, PING).path.at(-1)?.name).toBe('port red-0');
    route(`${destination}/32`, 'db-0');
    expect(explained('web-0', destination, PING).path.at(-1)?.name).toBe('port db-0');
  });

  it("is what callers have placed on the sender's DPU, and what is behind it", () => {
    const place = (name: string, spec: object) => lab.apply('NetlinkObject', name, spec);
    const last = (to: string, from = 'web-0') => {
      const { reason, path } = explained(from, to, PING);
      return [reason, path.at(-1)?.name];
    };
    expect(last(HOST)).toEqual(['NoRoute', 'router default']);
    place('one', { dpus: ['dpu-1'], route: { dst: '10.8.0.0/16', gateway: addressOf('db-0') } });
    expect(last(HOST)).toEqual(['NoPolicyApplies', 'port db-0']);
    expect(last(HOST, 'web-1')[0]).toBe('NoRoute');
    place('two', { network: 'blue', addr: { address: '10.9.0.1', ifaPrefixlen: 24 } });
    expect(last('10.9.0.1')).toEqual(['NoPolicyApplies', 'router default']);
    expect(last('10.9.0.7')[0]).toBe('UnknownAddress');
    const lladdr = '02:00:00:00:0a:01';
    place('three', { network: 'blue', neigh: { dst: '10.9.0.7', lladdr } });
    place('four', { network: 'blue', port: 'web-1', fdb: { lladdr } });
    expect(last('10.9.0.7')).toEqual(['NoPolicyApplies', 'port web-1']);
  });
});

describe('the verdict of a flow', () => {
  it('between ports that no policy selects is ALLOWED, hop by hop', () => {
    const { verdict, reason, path, notReady } = explained('web-0', 'web-1', HTTP);
    expect({ verdict, reason }).toEqual({ verdict: 'ALLOWED', reason: 'NoPolicyApplies' });
    expect(path.map(({ kind, dpu, name }) => `${dpu}: ${kind} ${name}`)).toEqual([
      'dpu-1: port port web-0',
      'dpu-1: representor pf0vf0',
      'dpu-1: bridgeDomain network blue',
      'dpu-1: tunnel VXLAN 4096',
      'dpu-2: bridgeDomain network blue',
      'dpu-2: representor pf0vf0',
      'dpu-2: port port web-1',
    ]);
    expect(notReady).toEqual(['web-0', 'web-1']);
  });

  it('on the same DPU has no tunnel on its path, and waits for nothing that is Ready', () => {
    lab.report('dpu-1');
    lab.report('dpu-2');
    const { path, notReady } = explained('web-0', 'db-0', PING);
    expect(path.map(({ kind }) => kind)).not.toContain('tunnel');
    expect(notReady).toEqual([]);
  });

  it('names the rule or the policy that decides, and ends where the packet ends', () => {
    unwrap(
      lab.decide(
        policy('db', {
          ...app('db'),
          ingress: [{ name: 'web', peers: [app('web')], services: [{ protocol: 'TCP', port: 80 }] }],
        }),
      ),
    );
    const decided = { direction: 'INGRESS', policy: 'db', tier: 'DEFAULT' };
    expect(explained('web-1', 'db-0', HTTP)).toMatchObject({
      verdict: 'ALLOWED',
      reason: 'RuleAllows',
      decidedBy: [{ ...decided, rule: 'web' }],
    });
    const isolated = explained('web-1', 'db-0', PING);
    expect(isolated).toMatchObject({ verdict: 'DENIED', reason: 'Isolated', decidedBy: [decided] });
    expect(isolated.path.at(-1)).toMatchObject({ kind: 'bridgeDomain', dpu: 'dpu-1' });
    // The other direction is open.
    expect(explained('db-0', 'web-1', PING).verdict).toBe('ALLOWED');
  });

  it('follows the tiers: ADMIN is final unless it passes, DEFAULT isolates, BASELINE comes last', () => {
    const everybody = { portSelector: {} };
    const deny = (services: object[]) => [{ name: 'no', action: 'DENY', services }];
    const tcp = { protocol: 'TCP' };
    unwrap(
      lab.decide(policy('baseline', { tier: 'BASELINE', priority: 1, ...everybody, ingress: deny([tcp]) })),
    );
    expect(explained('web-0', 'web-1', HTTP)).toMatchObject({
      reason: 'RuleDenies',
      decidedBy: [{ tier: 'BASELINE', rule: 'no' }],
    });
    unwrap(lab.decide(policy('default', { ...app('web'), ingress: [{ name: 'all', services: [tcp] }] })));
    expect(explained('web-0', 'web-1', HTTP)).toMatchObject({ decidedBy: [{ tier: 'DEFAULT' }] });
    const pass = { name: 'pass', action: 'PASS', services: [{ protocol: 'TCP', port: 80 }] };
    unwrap(
      lab.decide(
        policy('admin', {
          tier: 'ADMIN',
          priority: 1,
          ...everybody,
          ingress: [pass, ...deny([tcp])],
        }),
      ),
    );
    expect(explained('web-0', 'web-1', HTTP)).toMatchObject({
      verdict: 'ALLOWED',
      decidedBy: [{ tier: 'DEFAULT', rule: 'all' }],
    });
    expect(explained('web-0', 'web-1', { ...HTTP, service: 81 })).toMatchObject({
      verdict: 'DENIED',
      decidedBy: [{ tier: 'ADMIN', rule: 'no' }],
    });
  });

  it('from an address that is not the port’s is DENIED, but for those of allowed pairs', () => {
    expect(explained('web-0', 'web-1', PING, '10.0.1.77').reason).toBe('SourceNotAllowed');
    unwrap(lab.decide(port('web-0', 'dpu-1', 0, 'web', { allowedAddressPairs: [{ ip: '10.0.1.77' }] })));
    expect(explained('web-0', 'web-1', PING, '10.0.1.77').verdict).toBe('ALLOWED');
    expect(explained('web-1', '10.0.1.77', PING).verdict).toBe('ALLOWED');
  });

  it('is UNREACHABLE where there is no way, and says why', () => {
    unwrap(lab.decide(port('down', 'dpu-2', 1, 'web', { adminState: 'DOWN' })));
    lab.apply('Port', 'nowhere', { network: 'blue' });
    lab.apply('Router', 'other', {});
    lab.apply('Network', 'apart', { router: 'other' });
    lab.apply('Subnet', 'apart-v4', { network: 'apart', cidr: '10.0.1.0/24' });
    const address = [{ subnet: 'apart-v4', ip: '10.0.1.200' }];
    unwrap(lab.decide(port('apart-0', 'dpu-2', 3, 'web', { network: 'apart', addresses: address })));
    unwrap(lab.decide(port('red-0', 'dpu-2', 2, 'web', { network: 'red' })));
    const reasons = (pairs: readonly (readonly [string, string])[]) =>
      pairs.map(([from, to]) => explained(from, to, PING).reason);
    expect(
      reasons([
        ['web-0', 'down'],
        ['down', 'web-0'],
        ['web-0', 'nowhere'],
        ['web-0', '10.0.1.250'],
        ['web-0', '192.0.2.1'],
        ['web-0', '10.0.2.9'],
        ['web-0', 'apart-0'],
      ]),
    ).toEqual([
      'AdminDown',
      'AdminDown',
      'NotConnected',
      'UnknownAddress',
      'NoRoute',
      'UnknownAddress',
      'UnknownAddress',
    ]);
    expect(explained('web-0', 'fd00:1::99', PING).reason).toBe('NoAddress');
  });

  it('follows the router: into its other networks, along its routes, to its gateways and outside', () => {
    unwrap(lab.decide(port('red-0', 'dpu-2', 2, 'web', { network: 'red' })));
    lab.apply('Router', 'default', {
      routes: [{ destination: '198.51.100.0/24', nextHops: [{ address: '10.0.2.2' }] }],
    });
    const across = explained('web-0', 'red-0', PING);
    expect(across.verdict).toBe('ALLOWED');
    expect(across.path.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'port port web-0',
      'representor pf0vf0',
      'bridgeDomain network blue',
      'router router default',
      'bridgeDomain network red',
      'tunnel VXLAN 4097',
      'bridgeDomain network red',
      'representor pf0vf2',
      'port port red-0',
    ]);
    expect(explained('web-0', '198.51.100.7', PING).path.at(-1)).toMatchObject({ name: 'port red-0' });
    expect(explained('web-0', '10.0.2.1', PING).verdict).toBe('ALLOWED');
    expect(explained('web-0', '10.0.2.1', HTTP).reason).toBe('GatewayAnswersPingsOnly');
    // As to any other gateway of the router, so to the one on the port's own link.
    const own = explained('web-0', '10.0.1.1', PING);
    expect([own.verdict, own.path.at(-1)?.name]).toEqual(['ALLOWED', 'router default']);
    expect(explained('web-0', '10.0.1.1', HTTP).reason).toBe('GatewayAnswersPingsOnly');
    expect(explained('web-0', '192.0.2.1', HTTP).reason).toBe('NoRoute');
    lab.apply('Router', 'default', { externalGateway: { sourceNat: 'DPU_ADDRESS' } });
    expect(explained('web-0', '192.0.2.1', HTTP)).toMatchObject({
      verdict: 'ALLOWED',
      reason: 'LeavesRouter',
    });
  });

  it('cannot be told of a port that there is not', () => {
    expect(
      explain(lab.world, {
        tenant: 'globex' as TenantName,
        from: 'web-0' as Name,
        source: undefined,
        to: { kind: 'port', name: 'web-1' as Name },
        ...HTTP,
      }),
    ).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});
