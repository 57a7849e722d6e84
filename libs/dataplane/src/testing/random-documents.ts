import * as d from './documents.js';

/** A small deterministic generator (mulberry32): the same documents in every run, so that a failure comes again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NETWORKS = ['net-a', 'net-b', 'net-c'];
const ROUTERS = [d.ROUTER, 'router/acme/other'];

/** Small documents over few names, so that they overlap in every way: what one wants, the next wants otherwise or not. */
export function randomDocuments(count: number, seed = 1): d.Entry[][] {
  const random = generator(seed);
  const pick = <Value>(values: readonly Value[]): Value => {
    const value = values[Math.floor(random() * values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  };
  const chance = (probability: number): boolean => random() < probability;

  return Array.from({ length: count }, () => {
    const entries: d.Entry[] = [];
    const homes = new Map<string, string>();
    for (const [index, network] of NETWORKS.entries()) {
      const router = pick(ROUTERS);
      if (!chance(0.8)) continue;
      homes.set(network, router);
      const vni = 100 + (chance(0.7) ? index : index + 10);
      entries.push(d.bridgeDomain(network, { router, vni, mtu: pick([1400, 1450]) }));
      // No next hop below is in these: the kernel refuses one on another link than its prefix.
      const addresses = [`10.8.${index}.254/24`, `fd00:8:${index}::ffff/64`].filter(() => chance(0.6));
      if (chance(0.6)) entries.push(d.routerInterface(network, addresses, { router }));
      const told: d.SubnetInit[] = [
        { prefix: '10.0.0.0/24', gateway: '10.0.0.254', dhcp: { leaseSeconds: pick([600, 900]) } },
        { prefix: 'fd00::/64', gateway: 'fd00::ffff', advertisement: { lifetimeSeconds: 1800 } },
      ];
      if (chance(0.5))
        entries.push(
          d.hostConfiguration(
            network,
            told.filter(() => chance(0.7)),
          ),
        );
    }
    for (const router of ROUTERS) {
      const [, tenant, name] = router.split('/');
      if (chance(0.5)) entries.push(d.router(tenant, name));
      if (chance(0.3)) entries.push(d.egressGateway(router));
    }
    for (const network of NETWORKS) {
      for (const peer of ['10.254.0.2', '10.254.0.3'])
        if (chance(0.5)) entries.push(d.tunnelPeer(network, peer));
    }
    const representors = ['pf0vf0', 'pf0vf1', 'pf0vf2', 'pf0vf3'];
    for (const port of [1, 2, 3]) {
      const network = pick(NETWORKS);
      const macAddress = `02:00:00:00:00:0${port}`;
      const ipAddresses = [`10.0.0.${port}`, `fd00::${port}`].filter(() => chance(0.8));
      const role = pick(['local', 'local', 'remote', 'absent']);
      if (role === 'local') {
        const [representor = ''] = representors.splice(Math.floor(random() * representors.length), 1);
        const allowedAddressPairs = chance(0.3)
          ? [{ ip: pick(['10.5.0.0/16', '10.5.0.1']), macAddress: '' }]
          : [];
        const adminUp = chance(0.8);
        entries.push(
          d.endpoint(`port-${port}`, network, {
            macAddress,
            representor,
            ipAddresses,
            allowedAddressPairs,
            adminUp,
            serviceChains: chance(0.3) ? [d.serviceChainKey('chain')] : [],
          }),
        );
      } else if (role === 'remote') {
        const tunnelEndpoint = pick(['10.254.0.2', '10.254.0.3']);
        entries.push(d.remoteEndpoint(`port-${port}`, network, { macAddress, tunnelEndpoint, ipAddresses }));
      }
    }
    if (chance(0.7)) {
      const hops = pick([[['port-1', 'port-2']], [['port-3'], ['port-1']]] as const);
      const destinations = pick([['10.7.0.0/16'], ['0.0.0.0/0', '::/0']]);
      entries.push(d.serviceChain('chain', { destinations, hops, failOpen: chance(0.5) }));
    }
    for (const network of NETWORKS) {
      const macAddress = pick(['02:00:00:00:00:0a', '02:00:00:00:00:0b']);
      if (chance(0.3)) entries.push(d.neighbour(network, pick(['10.0.0.10', 'fd00::a']), macAddress));
      const target = pick([
        { case: 'portUid', value: 'port-1' },
        { case: 'tunnelEndpoint', value: '10.254.0.2' },
      ] as const);
      if (chance(0.3)) entries.push(d.forwardingEntry(network, macAddress, target));
      if (chance(0.3)) entries.push(d.interfaceAddress(network, `10.9.${network.charCodeAt(4)}.1/24`));
    }
    for (const destination of ['10.1.0.0/16', '10.1.2.0/24', 'fd01::/64']) {
      const network = pick(NETWORKS);
      const router = homes.get(network);
      if (router === undefined || !chance(0.6)) continue;
      const gateway = (number: number): string =>
        destination.includes(':') ? `fd00::${number}` : `10.0.0.${number}`;
      const nextHops = [1, 2, 3]
        .filter(() => chance(0.5))
        .map((number) => ({ gateway: gateway(number), weight: 1 + number, networkUid: network }));
      entries.push(d.route(destination, nextHops, router));
    }
    // The order in which entries stand in a document means nothing.
    return entries
      .map((entry) => ({ entry, order: random() }))
      .sort((one, other) => one.order - other.order)
      .map(({ entry }) => entry);
  });
}
