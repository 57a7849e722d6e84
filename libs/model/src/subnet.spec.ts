import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { eui64Address, type IpPrefix, type MacAddress, parseManifest } from './index.js';

const subnet = (spec: object) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Subnet',
  metadata: { tenant: 'acme', name: 'blue-v4' },
  spec: { network: 'blue', cidr: '10.0.1.0/24', ...spec },
});

const violationsOf = (spec: object): readonly string[] => {
  const parsed = parseManifest(subnet(spec));
  return parsed.ok
    ? []
    : (parsed.error.violations ?? []).map(({ field, description }) => `${field} ${description}`);
};

describe('a subnet', () => {
  it('allocates the lowest addresses and keeps none unless it says otherwise', () => {
    expect(unwrap(parseManifest(subnet({}))).spec).toMatchObject({
      excludedRanges: [],
      reservations: [],
      retentionSeconds: 0,
      allocationMode: 'LOWEST',
    });
  });

  it('reserves each address, for each port, under each name once, and none that nobody may have', () => {
    const reservations = [
      { name: 'a', ip: '10.0.1.1' },
      { name: 'b', ip: '10.0.1.5', port: 'web-0' },
      { name: 'b', ip: '10.0.1.5', port: 'web-0' },
      { name: 'Web', ip: '10.0.2.5', port: 'web_1' },
      { ip: '10.0.1.40' },
    ];
    const excludedRanges = [
      { start: '10.0.1.32', end: '10.0.1.47' },
      { start: '10.0.1.40', end: '10.0.1.41' },
    ];
    const label = 'must be an RFC 1123 label: 1-63 of a-z, 0-9, - ; starting and ending with a-z or 0-9';
    expect(violationsOf({ reservations, excludedRanges })).toEqual([
      'spec.excludedRanges[1] must not overlap spec.excludedRanges[0]',
      `spec.reservations[3].name ${label}`,
      'spec.reservations[3].ip must be a host address of the subnet, 10.0.1.1-10.0.1.254',
      `spec.reservations[3].port ${label}`,
      'spec.reservations[4].name is required',
      'spec.reservations[2].name must be given once; spec.reservations[1].name has it already',
      'spec.reservations[2].ip must be given once; spec.reservations[1].ip has it already',
      'spec.reservations[2].port must be given once; spec.reservations[1].port has it already',
      'spec.reservations[0].ip must not be the gateway, 10.0.1.1',
    ]);
    expect(
      violationsOf({
        reservations: [{ name: 'a', ip: '10.0.1.40' }],
        excludedRanges: excludedRanges.slice(0, 1),
      }),
    ).toEqual(['spec.reservations[0].ip must not be in spec.excludedRanges[0]']);
    const many = Array.from({ length: 257 }, (_, index) => ({ name: `r${index}`, ip: '10.0.1.5' }));
    expect(violationsOf({ reservations: many })).toEqual([
      'spec.reservations must have at most 256 items, not 257',
    ]);
  });

  it('is refused with all of its problems at once', () => {
    expect(
      violationsOf({
        allocationMode: 'EUI64',
        allocationRanges: [{ start: '10.0.1.9', end: '10.0.1.9' }],
        retentionSeconds: 604_801,
      }),
    ).toEqual([
      'spec.retentionSeconds must be at most 604800',
      'spec.allocationMode must be LOWEST: EUI64 needs an IPv6 prefix of length 64, not 10.0.1.0/24',
      'spec.allocationRanges must be absent with allocation mode EUI64',
    ]);
    expect(violationsOf({ allocationMode: 'RANDOM' })).toEqual([
      'spec.allocationMode must be one of LOWEST, EUI64',
    ]);
  });
});

describe('what hosts are told', () => {
  it('is nothing unless the subnet says so, and has defaults then', () => {
    expect(unwrap(parseManifest(subnet({}))).spec).toMatchObject({
      dhcp: undefined,
      routerAdvertisement: undefined,
      dnsServers: [],
    });
    expect(unwrap(parseManifest(subnet({ dhcp: {} }))).spec).toMatchObject({
      dhcp: { leaseSeconds: 86_400, ntpServers: [], routes: [] },
    });
    const ipv6 = { cidr: '2001:db8::/64', routerAdvertisement: {} };
    expect(unwrap(parseManifest(subnet(ipv6))).spec).toMatchObject({
      routerAdvertisement: { lifetimeSeconds: 1800 },
    });
  });

  it('is refused with all of its problems at once', () => {
    const route = { destination: '192.0.2.0/24', nextHop: '10.0.1.9' };
    expect(
      violationsOf({
        dhcp: {
          leaseSeconds: 59,
          ntpServers: ['2001:db8::1'],
          routes: [route, route, { destination: '0.0.0.0/0', nextHop: '10.0.2.9' }, {}],
        },
        routerAdvertisement: { lifetimeSeconds: 599 },
        dnsServers: ['10.0.0.1', '10.0.0.1', 'dns', '10.0.0.4'],
        domainName: 'Example.org',
      }),
    ).toEqual([
      'spec.dhcp.leaseSeconds must be 60 to 604800',
      'spec.dhcp.ntpServers[0] must be an IPv4 address, as the subnet is',
      'spec.dhcp.routes[2].destination must not be the default route: the gateway is that',
      'spec.dhcp.routes[2].nextHop must be a host address of the subnet, 10.0.1.1-10.0.1.254',
      'spec.dhcp.routes[3].destination is required',
      'spec.dhcp.routes[3].nextHop is required',
      'spec.dhcp.routes[1].destination must be given once; spec.dhcp.routes[0].destination has it already',
      'spec.routerAdvertisement.lifetimeSeconds must be 600 to 9000',
      'spec.routerAdvertisement must be absent: 10.0.1.0/24 is an IPv4 prefix',
      'spec.dnsServers must have at most 3 items, not 4',
      'spec.dnsServers[2] must be an IPv4 or IPv6 address',
      'spec.dnsServers[1] must be given once; spec.dnsServers[0] has it already',
      'spec.domainName must be an RFC 1123 subdomain: at most 253 characters, labels of a-z, 0-9, - joined by dots',
    ]);
    expect(violationsOf({ dnsServers: ['10.0.0.1'], domainName: 'example.org' })).toEqual([
      'spec.dnsServers must be absent: without dhcp and routerAdvertisement nobody is told',
      'spec.domainName must be absent: without dhcp and routerAdvertisement nobody is told',
    ]);
    expect(
      violationsOf({ cidr: '2001:db8::/64', dhcp: { routes: [{ ...route, nextHop: '2001:db8::9' }] } }),
    ).toEqual(['spec.dhcp.routes must be absent: DHCPv6 tells no routes']);
  });
});

it('a host makes its address of its MAC address (RFC 4291 appendix A)', () => {
  expect(eui64Address('2001:db8::/64' as IpPrefix, '34:56:78:9a:bc:de' as MacAddress)).toBe(
    '2001:db8::3656:78ff:fe9a:bcde',
  );
});
