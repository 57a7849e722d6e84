import { describe, expect, it } from '@jest/globals';
import { address, MemoryNetwork, mtu, route, state } from '../testing/memory-network.js';
import type { Configuration, WantedInterface } from './configuration.js';
import type { ObservedNetwork, Originals } from './observed-network.js';
import { planChange, planRestore, type Step } from './plan-change.js';
import { byKey, keyOf } from './settings.js';

const configuration = (more: Partial<Configuration>): Configuration => ({
  uid: 'u',
  generation: 1,
  interfaces: [],
  routes: [],
  confirmTimeoutSeconds: 30,
  ...more,
});
const p0 = (more: Partial<WantedInterface>): WantedInterface => ({
  device: 'p0',
  addresses: [],
  exclusiveAddresses: false,
  ...more,
});
const BOOT = [
  mtu('p0', 1_500),
  state('p0', true),
  address('p0', '10.0.0.1/24'),
  mtu('mgmt0', 1_500),
  state('mgmt0', true),
  address('mgmt0', '192.0.2.1/24'),
  route('0.0.0.0/0', 'mgmt0', '192.0.2.254'),
];
const network = (settings = BOOT): ObservedNetwork => {
  const { devices, settings: all } = new MemoryNetwork(['p0', 'mgmt0'], settings);
  return { devices, settings: all };
};
const shown = (steps: readonly Step[]): string[] =>
  steps.map(({ action, setting }) => `${action} ${keyOf(setting)}`);
const planned = (
  wanted: Partial<Configuration>,
  originals: Originals = new Map(),
  observed = network(),
): string | string[] => {
  const plan = planChange(observed, configuration(wanted), originals);
  const { problem, steps } = plan;
  return problem === undefined ? shown(steps) : `${problem.waits ? 'waits: ' : ''}${problem.message}`;
};
const own = (interfaces: readonly WantedInterface[], routes: Configuration['routes'] = []) => ({
  interfaces,
  routes,
});

describe('the steps to a configuration', () => {
  it.each([
    ['nothing when all is so', own([p0({ mtu: 1_500, up: true, addresses: ['10.0.0.1/24'] })]), []],
    ['what differs', own([p0({ mtu: 9_000, up: true })]), ['set mtu/p0']],
    [
      'what is needed before what needs it, and removals in reverse',
      own(
        [p0({ mtu: 9_000, up: true, addresses: ['10.0.7.1/24'], exclusiveAddresses: true })],
        [{ destination: '10.1.0.0/16', gateway: '10.0.7.254', device: '', metric: 0 }],
      ),
      [
        'set mtu/p0',
        'set address/p0/10.0.7.1/24',
        'set route/10.1.0.0/16/0',
        'remove address/p0/10.0.0.1/24',
      ],
    ],
    [
      'a device goes down last',
      own([p0({ up: false, addresses: ['10.0.7.1/24'] })]),
      ['set address/p0/10.0.7.1/24', 'set state/p0'],
    ],
    [
      'a route without a metric has the kernel default',
      own(
        [p0({ addresses: ['fd00::1/64'] })],
        [
          { destination: '::/0', gateway: 'fd00::2', device: '', metric: 0 },
          { destination: 'fd01::/64', gateway: 'fe80::1', device: 'p0', metric: 0 },
        ],
      ),
      ['set address/p0/fd00::1/64', 'set route/::/0/1024', 'set route/fd01::/64/1024'],
    ],
  ])('are %s', (_, wanted, steps) => {
    expect(planned(wanted)).toEqual(steps);
  });

  it.each([
    [
      'a device that is missing',
      own([{ ...p0({ mtu: 9_000 }), device: 'p9' }]),
      'waits: there is no device p9',
    ],
    [
      'an MTU that the device does not take',
      own([p0({ mtu: 9_217 })]),
      'mtu of p0 must be 68 to 9216, not 9217',
    ],
    [
      'a gateway that nothing leads to',
      own([p0({ mtu: 9_000 })], [{ destination: '10.1.0.0/16', gateway: '10.9.0.1', device: '', metric: 0 }]),
      'spec.routes[0].gateway: 10.9.0.1 is on no network of this DPU',
    ],
    [
      'a gateway on a network that goes',
      own(
        [p0({ addresses: ['10.0.7.1/24'], exclusiveAddresses: true })],
        [{ destination: '10.1.0.0/16', gateway: '10.0.0.254', device: '', metric: 0 }],
      ),
      'spec.routes[0].gateway: 10.0.0.254 is on no network of this DPU',
    ],
  ])('are none for %s', (_, wanted, problem) => {
    expect(planned(wanted)).toBe(problem);
  });

  it('leave out what cannot be, for whoever wants the rest all the same', () => {
    const bridged = { ...p0({ mtu: 9_000 }), master: 'cni0' };
    const plan = planChange(network(), configuration(own([bridged])), new Map());
    expect([plan.problem?.message, shown(plan.steps)]).toEqual(['there is no device cni0', ['set mtu/p0']]);
  });

  it('are none for a device that something else has here', () => {
    const observed = network();
    const devices = new Map([
      ['p0', { minimumMtu: 68, maximumMtu: 9_216, usedFor: 'endpoint/x of network' }],
    ]);
    expect(planned(own([p0({ mtu: 9_000 })]), new Map(), { ...observed, devices })).toBe(
      'p0 is used for endpoint/x of network',
    );
  });

  it('give back what is set no more, and take away what was not there', () => {
    const first = own(
      [p0({ mtu: 9_000, addresses: ['10.0.7.1/24'] })],
      [{ destination: '0.0.0.0/0', gateway: '10.0.7.254', device: '', metric: 0 }],
    );
    const plan = planChange(network(), configuration(first), new Map());
    const { originals } = plan;
    const now = network([
      mtu('p0', 9_000),
      ...BOOT.slice(1, -1),
      address('p0', '10.0.7.1/24'),
      route('0.0.0.0/0', 'p0', '10.0.7.254'),
    ]);
    expect(planned(first, originals, now)).toEqual([]);
    expect(planned(own([p0({ mtu: 9_000 })]), originals, now)).toEqual([
      'set route/0.0.0.0/0/0',
      'remove address/p0/10.0.7.1/24',
    ]);
    expect(planned({}, originals, now)).toEqual([
      'set mtu/p0',
      'set route/0.0.0.0/0/0',
      'remove address/p0/10.0.7.1/24',
    ]);
  });

  it('leave an address that was there before the configuration listed it', () => {
    const plan = planChange(network(), configuration(own([p0({ addresses: ['10.0.0.1/24'] })])), new Map());
    expect(planned({}, plan.originals)).toEqual([]);
  });

  it('try again an address that another machine has', () => {
    const duplicate = { ...address('p0', 'fd00::1/64'), duplicates: 'FOUND' } as const;
    const wanted = own([p0({ addresses: ['fd00::1/64'] })]);
    expect(planned(wanted, new Map(), network([...BOOT, duplicate]))).toEqual(['set address/p0/fd00::1/64']);
  });
});

describe('the way back', () => {
  it('is from anywhere to what was there, but for what others have made meanwhile', () => {
    const touched = ['mtu/p0', 'address/p0/10.0.7.1/24', 'address/p0/10.0.0.1/24'];
    const between = network([
      mtu('p0', 9_000),
      state('p0', true),
      address('p0', '10.0.7.1/24'),
      address('p0', '10.0.8.1/24'),
    ]);
    const before = byKey(BOOT.filter((setting) => setting.device === 'p0'));
    expect(shown(planRestore(between, before, touched))).toEqual([
      'set mtu/p0',
      'set address/p0/10.0.0.1/24',
      'remove address/p0/10.0.7.1/24',
    ]);
  });

  it('does not wait for a device that is gone', () => {
    const observed = network([]);
    observed.devices.size;
    const devices = new Map([...observed.devices].filter(([name]) => name !== 'p0'));
    expect(planRestore({ ...observed, devices }, byKey([mtu('p0', 1_500)]), [])).toEqual([]);
  });
});
