import { type IpPrefix, type Network, type Port, prefixesOverlap, type ServiceChain } from '@outboard/model';
import type { StoredRecord } from '../src/index.js';

type Json = Record<string, unknown>;

interface Meant {
  readonly destinations: readonly string[];
  readonly exceptions: readonly string[];
}

/** The chains that a port goes through, spelled out from the stored rows; each with its object in the port's router. */
export function chainsOf(
  { metadata }: Port,
  network: Network,
  records: readonly StoredRecord[],
  holds: (
    selector: NonNullable<ServiceChain['spec']['portSelector']>,
    labels: Port['metadata']['labels'],
  ) => boolean,
): readonly (readonly [key: string, object: Json])[] {
  const { tenant, name, labels } = metadata;
  const chains = records
    .flatMap((record) => (record.kind === 'ServiceChain' ? [record.resource] : []))
    .filter((chain) => chain.metadata.tenant === tenant)
    .sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
  const isHop = chains.some(({ spec: { hops } }) =>
    hops.some(({ ingressPort, egressPort }) => ingressPort === name || egressPort === name),
  );
  if (isHop) return [];
  const found: [chain: ServiceChain, meant: Meant][] = [];
  for (const chain of chains) {
    const { ports, portSelector } = chain.spec;
    if (!ports.includes(name) && !(portSelector && holds(portSelector, labels))) continue;
    const meant = meantBy(chain, network, records);
    if (meant.destinations.length > 0 && !found.some(([, other]) => overlap(other, meant)))
      found.push([chain, meant]);
  }
  return found.map(([chain, meant]) => chainObject(chain, network, meant, records));
}

function meantBy(
  { spec, metadata }: ServiceChain,
  network: Network,
  records: readonly StoredRecord[],
): Meant {
  const { destination } = spec;
  if (destination.kind === 'cidrs') return { destinations: destination.cidrs, exceptions: [] };
  const networks = records.flatMap((record) =>
    record.kind === 'Network' &&
    record.resource.metadata.tenant === metadata.tenant &&
    record.resource.spec.router === network.spec.router
      ? [record.resource.metadata.name as string]
      : [],
  );
  const cidrs = (wanted: (name: string) => boolean): string[] =>
    records
      .flatMap((record) =>
        record.kind === 'Subnet' &&
        record.resource.metadata.tenant === metadata.tenant &&
        networks.includes(record.resource.spec.network) &&
        wanted(record.resource.spec.network)
          ? [record.resource.spec.cidr as string]
          : [],
      )
      .sort();
  if (destination.kind === 'network')
    return { destinations: cidrs((name) => name === destination.network), exceptions: [] };
  return { destinations: ['0.0.0.0/0', '::/0'], exceptions: [...cidrs(() => true), 'fe80::/10'] };
}

const overlap = (one: Meant, other: Meant): boolean =>
  one.destinations.some((left) =>
    other.destinations.some(
      (right) =>
        touches(left, right) &&
        ![...one.exceptions, ...other.exceptions].some(
          (each) =>
            touches(each, left) &&
            touches(each, right) &&
            isWithin(each, isWithin(left, right) ? right : left),
        ),
    ),
  );
const touches = (one: string, other: string): boolean => prefixesOverlap(one as IpPrefix, other as IpPrefix);
const isWithin = (outer: string, inner: string): boolean =>
  touches(outer, inner) && Number(outer.split('/')[1]) <= Number(inner.split('/')[1]);

function chainObject(
  { metadata, spec }: ServiceChain,
  network: Network,
  { destinations, exceptions }: Meant,
  records: readonly StoredRecord[],
): [key: string, object: Json] {
  const uidOf = (name: string): string | undefined =>
    records.flatMap((record) =>
      record.kind === 'Port' &&
      record.resource.metadata.tenant === metadata.tenant &&
      record.resource.metadata.name === name
        ? [record.resource.metadata.uid]
        : [],
    )[0];
  const serviceChain = {
    chainUid: metadata.uid,
    destinations,
    ...(exceptions.length > 0 && { exceptions }),
    hops: spec.hops.map(({ name, ingressPort, egressPort }) => ({
      name,
      ingressPortUid: uidOf(ingressPort),
      egressPortUid: uidOf(egressPort),
    })),
    ...(spec.failureMode === 'FAIL_OPEN' && { failOpen: true }),
  };
  const source = { kind: 'ServiceChain', tenant: metadata.tenant, name: metadata.name };
  return [`servicechain/${metadata.uid}/${network.spec.router}`, { source, serviceChain }];
}
