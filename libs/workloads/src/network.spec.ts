import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addressMessage, applyAll, link, linkByName, upFlags } from '@outboard/netlink';
import type { WantedInterface } from './index.js';
import { WorkloadLab } from './testing/index.js';

let lab: WorkloadLab;

beforeAll(() => {
  lab = new WorkloadLab();
});
afterAll(() => lab.close());

const names = async (): Promise<string[]> =>
  (await lab.socket.dump(link.dump(), ({ ifname }) => ifname)).filter((name) => name !== 'lo').sort();

const eth0: WantedInterface = {
  name: 'eth0',
  portUid: 'p1',
  representor: 'pf0sf1',
  macAddress: '02:00:5e:00:10:01',
  mtu: 1400,
  addresses: ['10.9.0.2/24', 'fd00:9::2/64'],
  gateways: ['10.9.0.1', 'fd00:9::1'],
};

it('functions are made and taken away as pools want them, and what is not ours is left alone', async () => {
  const other = {
    ifname: 'pf0sf9',
    linkinfo: { kind: 'veth', data: { peer: { ifname: 'foreign' } } },
  } as const;
  await applyAll(lab.socket, 'foreign', [link.create(other)]);
  expect(await lab.functions.settle([{ pfNumber: 0, sfNumbers: [1, 2, 9] }])).toEqual(['pf0sf9']);
  expect(await names()).toEqual(['foreign', 'pf0sf1', 'pf0sf2', 'pf0sf9', 'sf1', 'sf2']);
  expect(await lab.functions.settle([{ pfNumber: 0, sfNumbers: [1] }])).toEqual([]);
  expect(await names()).toEqual(['foreign', 'pf0sf1', 'pf0sf9', 'sf1']);
  const pools = [
    { pfNumber: 0, sfNumbers: [1] },
    { pfNumber: 1, sfNumbers: [3] },
  ];
  expect(await lab.functions.settle(pools)).toEqual([]);
  expect(await names()).toEqual(['foreign', 'pf0sf1', 'pf0sf9', 'pf1sf3', 'sf1', 'sf3']);
});

it('a workload has its function with the address, MTU and routes of its port, also when these change, and gives it back', async () => {
  await lab.functions.settle([{ pfNumber: 0, sfNumbers: [1] }]);
  const { ifiIndex } = await lab.socket.get(link.get({ ifname: 'pf0sf1' }));
  await applyAll(lab.socket, 'gateway', [
    link.change({ ifiIndex, ...upFlags() }),
    addressMessage(ifiIndex, { ip: '10.9.0.1', prefixLength: 24 }),
  ]);
  const health: string[] = [];
  lab.host.onPortHealth(({ portUid, up }) => health.push(`${portUid} ${up ? 'up' : 'down'}`));
  const show = 'ip -o addr show eth0; ip route; ip -6 route; cat /sys/class/net/eth0/address';
  const wanted = lab.workload({
    command: ['/bin/sh', '-c', `trap "exit 0" TERM; ${show}; echo end; sleep 1000 & wait`],
    interfaces: [eth0],
  });
  const { uid } = wanted;
  lab.host.want(uid, wanted);
  await lab.until(uid, ({ ready }) => ready);
  expect(health).toEqual(['p1 down', 'p1 up']);
  expect(await linkByName(lab.socket, 'sf1')).toBeUndefined();
  const said = await lab.saidUntil(uid, /^end$/);
  for (const part of [
    'inet 10.9.0.2/24',
    'inet6 fd00:9::2/64',
    'default via 10.9.0.1 dev eth0',
    'default via fd00:9::1 dev eth0',
    eth0.macAddress,
  ])
    expect(said).toContain(part);

  // Another address and MTU reach it while it runs.
  const changed = { ...eth0, addresses: ['10.9.0.3/24'], gateways: [], mtu: 1300 };
  lab.host.want(uid, { ...wanted, generation: 2, interfaces: [changed] });
  await lab.host.idle();
  const shown = await lab.inWorkload(uid, ['ip', '-o', 'addr', 'show', 'eth0']);
  expect(shown).toContain('10.9.0.3/24');
  expect(shown).not.toContain('10.9.0.2/24');
  expect(await lab.inWorkload(uid, ['ip', 'link', 'show', 'eth0'])).toContain('mtu 1300');
  expect(lab.host.summary(uid)).toMatchObject({ restarts: 0, generation: 2 });

  lab.host.want(uid, undefined);
  await lab.gone(uid);
  expect(await names()).toContain('sf1');
}, 20_000);

it('a function that is not there, or in use, is told, and tried again', async () => {
  const wanted = lab.workload({ interfaces: [{ ...eth0, representor: 'pf0sf7' }] });
  lab.host.want(wanted.uid, wanted);
  const { message } = await lab.until(wanted.uid, ({ state }) => state === 'BACKOFF');
  expect(message).toBe('the function of pf0sf7 is not there, or in use');
  await lab.functions.settle([{ pfNumber: 0, sfNumbers: [1, 7] }]);
  await lab.until(wanted.uid, ({ ready }) => ready);
}, 20_000);
