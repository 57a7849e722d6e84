import { describe, expect, it } from '@jest/globals';
import { findCondition, type Router } from '@outboard/model';
import { checkInvariants } from '../test/invariants.js';
import { identityOf, Lab } from '../test/lab.js';
import { present } from './index.js';

/** Networks blue and red with subnets, each with a port on a DPU of its own, and green without any port. */
function world(): Lab {
  const lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2', 'dpu-3'], 4);
  for (const [index, name] of ['blue', 'red', 'green'].entries()) {
    lab.apply('Network', name, {});
    lab.apply('Subnet', `${name}-v4`, { network: name, cidr: `10.0.${index}.0/24` });
  }
  lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
  lab.apply('Port', 'db-0', { network: 'red', function: identityOf('dpu-2', 0) });
  for (const dpu of ['dpu-1', 'dpu-2', 'dpu-3']) lab.report(dpu);
  return lab;
}

/** How many objects of each kind come and go on each DPU by what is done. */
function touched(lab: Lab, act: () => unknown): Record<string, Record<string, number>> {
  const from = lab.changes.length;
  act();
  const counts: Record<string, Record<string, number>> = {};
  for (const { dpu, upserts, deletes } of lab.changes.slice(from)) {
    const ofDpu = counts[dpu] ?? {};
    counts[dpu] = ofDpu;
    for (const key of [
      ...upserts.map(({ key: upserted }) => `+${upserted}`),
      ...deletes.map((key) => `-${key}`),
    ]) {
      const kind = key.slice(0, key.indexOf('/'));
      ofDpu[kind] = (ofDpu[kind] ?? 0) + 1;
    }
  }
  checkInvariants(lab);
  return counts;
}

function router(lab: Lab, name = 'default'): Router {
  const record = lab.rows.get(`Router/acme/${name}`);
  if (record?.kind !== 'Router') throw new Error(`no router ${name}`);
  return present(lab.world, record.resource);
}

const applied = (lab: Lab): string | undefined =>
  findCondition(router(lab).status.conditions, 'Applied')?.reason;

const VIA = (...addresses: string[]) => addresses.map((address) => ({ address }));

describe('what is routed where', () => {
  it('a port brings every network of its router that has ports to a DPU that had none, and takes it away', () => {
    const lab = world();
    const act = () => lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-3', 0) });
    expect(touched(lab, act)).toEqual({
      'dpu-1': { '+tunnelpeer': 1, '+remoteendpoint': 1 },
      'dpu-2': { '+tunnelpeer': 1, '+remoteendpoint': 1 },
      'dpu-3': {
        '+router': 1,
        '+bridgedomain': 2,
        '+routerinterface': 2,
        '+tunnelpeer': 2,
        '+endpoint': 1,
        '+remoteendpoint': 2,
      },
    });
    expect(touched(lab, () => lab.delete('Port', 'web-1'))).toEqual({
      'dpu-1': { '-tunnelpeer': 1, '-remoteendpoint': 1 },
      'dpu-2': { '-tunnelpeer': 1, '-remoteendpoint': 1 },
      'dpu-3': {
        '-router': 1,
        '-bridgedomain': 2,
        '-routerinterface': 2,
        '-tunnelpeer': 2,
        '-endpoint': 1,
        '-remoteendpoint': 2,
      },
    });
  });

  it("a DPU that only routes to a network hears no broadcasts of it: it is nobody's tunnel peer", () => {
    const lab = world();
    const keys = [...(lab.published.get('dpu-2')?.keys() ?? [])];
    const { uid } = lab.world.networks.get('acme/blue')?.record.resource.metadata ?? {};
    expect(keys.filter((key) => key.startsWith(`tunnelpeer/${uid}`))).toEqual([`tunnelpeer/${uid}/dpu-1`]);
    expect([...(lab.published.get('dpu-1')?.keys() ?? [])]).not.toContain(`tunnelpeer/${uid}/dpu-2`);
  });

  it('the first port of a network brings it to all DPUs that route; the last one takes it away', () => {
    const lab = world();
    const act = () => lab.apply('Port', 'app-0', { network: 'green', function: identityOf('dpu-1', 1) });
    const network = { '+bridgedomain': 1, '+routerinterface': 1 };
    expect(touched(lab, act)).toEqual({
      'dpu-1': { ...network, '+endpoint': 1 },
      'dpu-2': { ...network, '+tunnelpeer': 1, '+remoteendpoint': 1 },
    });
    expect(Object.keys(touched(lab, () => lab.delete('Port', 'app-0')))).toEqual(['dpu-1', 'dpu-2']);
  });

  it('a network without subnets stays where its ports are, until it has one', () => {
    const lab = world();
    lab.apply('Network', 'plain', {});
    const act = () => lab.apply('Port', 'plain-0', { network: 'plain', function: identityOf('dpu-3', 0) });
    expect(touched(lab, act)).toEqual({ 'dpu-3': { '+router': 1, '+bridgedomain': 1, '+endpoint': 1 } });
    const subnet = () => lab.apply('Subnet', 'plain-v4', { network: 'plain', cidr: '10.0.9.0/24' });
    const network = { '+bridgedomain': 1, '+routerinterface': 1, '+tunnelpeer': 1, '+remoteendpoint': 1 };
    expect(touched(lab, subnet)).toEqual({
      'dpu-1': network,
      'dpu-2': network,
      'dpu-3': { '+bridgedomain': 2, '+routerinterface': 3, '+tunnelpeer': 2, '+remoteendpoint': 2 },
    });
  });

  it('a port change in a network of many DPUs is told to those that route to it, and to no other router', () => {
    const lab = world();
    lab.apply('Router', 'edge', {});
    lab.apply('Network', 'far', { router: 'edge' });
    lab.apply('Subnet', 'far-v4', { network: 'far', cidr: '10.0.0.0/24' });
    lab.apply('Port', 'far-0', { network: 'far', function: identityOf('dpu-3', 0) });
    const act = () =>
      lab.apply('Port', 'web-0', {
        network: 'blue',
        function: identityOf('dpu-1', 0),
        macAddress: '02:00:00:00:00:77',
      });
    expect(touched(lab, act)).toEqual({ 'dpu-1': { '+endpoint': 1 }, 'dpu-2': { '+remoteendpoint': 1 } });
  });

  it('the MTU of a network is what the DPUs that route to it carry', () => {
    const lab = world();
    expect(lab.port('web-0').status.mtu).toBe(1450);
    lab.dpu('dpu-2', { underlayMtu: 1400 });
    expect(lab.port('web-0').status.mtu).toBe(1350);
    lab.delete('Port', 'db-0');
    expect(lab.port('web-0').status.mtu).toBe(1450);
  });

  it('an address that a DPU may still route to is not given to anybody else', () => {
    const lab = world();
    lab.delete('Port', 'web-0');
    lab.report('dpu-1');
    lab.apply('Port', 'web-1', {
      network: 'blue',
      function: identityOf('dpu-1', 1),
      addresses: [{ subnet: 'blue-v4', ip: '10.0.0.2' }],
    });
    const planned = () => findCondition(lab.port('web-1').status.conditions, 'Planned');
    expect(planned()).toMatchObject({
      reason: 'AddressQuarantined',
      message: '10.0.0.2 may still be used by dpu-2',
    });
    lab.report('dpu-2');
    expect(planned()?.reason).toBe('Planned');
  });
});

describe('a router', () => {
  const ROUTES = [{ destination: '10.8.0.0/16', nextHops: VIA('10.0.0.2', '10.0.2.2') }];

  it('gives its routes and its way out to the DPUs that route for it, and tells when they have them', () => {
    const lab = world();
    const act = () =>
      lab.apply('Router', 'default', { routes: ROUTES, externalGateway: { sourceNat: 'DPU_ADDRESS' } });
    const own = { '+route': 1, '+egressgateway': 1 };
    expect(touched(lab, act)).toEqual({ 'dpu-1': own, 'dpu-2': own });
    expect(router(lab).status).toMatchObject({ networks: 3, dpus: 2 });
    expect(applied(lab)).toBe('Applying');
    lab.report('dpu-1');
    expect(applied(lab)).toBe('Applying');
    lab.report('dpu-2');
    expect(applied(lab)).toBe('AppliedAndReadBack');
    const newcomer = () => lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-3', 0) });
    expect(touched(lab, newcomer)['dpu-3']).toMatchObject(own);
    expect(applied(lab)).toBe('AppliedAndReadBack');
  });

  it('leaves out next hops where nobody can be, and takes them in when somebody can', () => {
    const lab = world();
    lab.apply('Router', 'default', { routes: ROUTES });
    expect(findCondition(router(lab).status.conditions, 'Planned')).toMatchObject({
      reason: 'NextHopUnknown',
      message: '10.8.0.0/16 via 10.0.2.2',
    });
    const act = () => lab.apply('Port', 'app-0', { network: 'green', function: identityOf('dpu-1', 1) });
    expect(touched(lab, act)['dpu-2']).toMatchObject({ '+route': 1 });
    expect(findCondition(router(lab).status.conditions, 'Planned')?.reason).toBe('Planned');
  });

  it('tells what DPUs could not apply of it, until they can', () => {
    const lab = world();
    lab.apply('Router', 'default', { routes: ROUTES });
    lab.report('dpu-2');
    const problem = {
      key: 'route/router/acme/default/10.8.0.0/16',
      state: 'FOREIGN' as const,
      message: 'a route of protocol 4',
    };
    lab.report('dpu-1', [problem]);
    expect(router(lab).status.problems).toEqual([
      { dpu: 'dpu-1', object: problem.key, state: 'FOREIGN', message: problem.message },
    ]);
    expect(applied(lab)).toBe('DpuProblems');
    lab.restart();
    lab.report('dpu-2');
    lab.report('dpu-1');
    expect(router(lab).status.problems).toEqual([]);
    expect(applied(lab)).toBe('AppliedAndReadBack');
  });

  it('is forgotten by the DPUs when what was configured of the default router is deleted', () => {
    const lab = world();
    lab.apply('Router', 'default', { routes: ROUTES });
    expect(touched(lab, () => lab.delete('Router', 'default'))).toEqual({
      'dpu-1': { '-route': 1 },
      'dpu-2': { '-route': 1 },
    });
  });

  const problemOf = (result: ReturnType<Lab['tryApply']>): string | undefined =>
    result.ok
      ? undefined
      : `${result.error.reason} ${result.error.violations[0]?.field ?? result.error.message}`;

  it('must exist before a network names it, and as long as one does', () => {
    const lab = world();
    expect(problemOf(lab.tryApply('Network', 'far', { router: 'edge' }))).toBe(
      'ROUTER_NOT_FOUND spec.router',
    );
    lab.apply('Router', 'edge', {});
    lab.apply('Network', 'far', { router: 'edge' });
    expect(problemOf(lab.tryDelete('Router', 'edge'))).toBe(
      'IN_USE router acme/edge is in use by 1: network acme/far',
    );
    lab.delete('Network', 'far');
    lab.delete('Router', 'edge');
  });

  it('has no route to one of its subnets, whichever comes first', () => {
    const lab = world();
    const route = (destination: string) => ({ routes: [{ destination, nextHops: VIA('10.0.0.2') }] });
    expect(problemOf(lab.tryApply('Router', 'default', route('10.0.1.0/24')))).toBe(
      'ROUTE_IS_SUBNET spec.routes[0].destination',
    );
    lab.apply('Router', 'default', route('10.8.0.0/16'));
    expect(problemOf(lab.tryApply('Subnet', 'wide', { network: 'blue', cidr: '10.8.0.0/16' }))).toBe(
      'ROUTE_IS_SUBNET spec.cidr',
    );
  });

  it('keeps the address of its gateways for itself', () => {
    const lab = world();
    const { object } = lab.world.networks.get('acme/blue')?.gateway ?? {};
    const macAddress = Buffer.from(object ?? [])
      .toString('latin1')
      .match(/0e(?::[0-9a-f]{2}){5}/)?.[0];
    expect(problemOf(lab.tryApply('Port', 'web-9', { network: 'blue', macAddress }))).toBe(
      'MAC_ADDRESS_TAKEN spec.macAddress',
    );
  });
});
