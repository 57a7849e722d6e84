import { describe, expect, it } from '@jest/globals';
import { KINDS, type ResourceJson } from '@outboard/model';
import { DPU, FUNCTION, NETWORK, NOW, PORT, RESERVED_PORT, SUBNET } from '../../test/samples.js';
import { columnsOf, headerOf, rowOf } from './columns.js';
import { formatRow, formatTable } from './table.js';

const table = (resources: readonly ResourceJson[], options = {}): string => {
  const kind = resources[0]?.kind as Parameters<typeof columnsOf>[0];
  const columns = columnsOf(kind, { wide: false, withTenant: false, ...options });
  const rows = [headerOf(columns), ...resources.map((resource) => rowOf(columns, resource, NOW))];
  return `\n${formatTable(rows).join('\n')}\n`;
};

describe('a table of resources', () => {
  it('tells of ports whether they are ready and why not, where they are and which addresses they have', () => {
    expect(table([PORT, RESERVED_PORT])).toBe(`
NAME    READY   REASON               NETWORK   ADDRESSES              DPU     REPRESENTOR   AGE
web-0   True    AppliedAndReadBack   blue      10.0.1.5,fd00:0:1::5   dpu-7   pf0vf3        3m
db-0    False   NoFunction           blue      -                      -       -             30h
`);
  });

  it('tells of DPUs', () => {
    expect(table([DPU])).toBe(`
NAME    READY   REASON         STATE   SINCE   SERIAL-NUMBER   HOST                   DRIVER   UNDERLAY    FUNCTIONS   AGE
dpu-7   True    LeaseRenewed   -       -       MT2113X00042    worker-3.example.org   linux    192.0.2.7   0/4         5d
`);
  });

  it('tells of functions', () => {
    expect(table([FUNCTION])).toBe(`
NAME           READY   REASON       DPU     FLAVOUR   REPRESENTOR   POOL   BOUND-BY          AGE
dpu-7-pf0vf3   True    Discovered   dpu-7   PCI_VF    pf0vf3        pods   acme/port/web-0   90s
`);
  });

  it('tells of networks and subnets', () => {
    expect(table([NETWORK])).toBe(`
NAME   READY   REASON             ROUTER    SEGMENT      MTU    PORTS   AGE
blue   True    SegmentAllocated   default   VXLAN:5001   1450   0       5s
`);
    expect(table([SUBNET])).toBe(`
NAME      READY   REASON   NETWORK   CIDR          GATEWAY    ALLOCATED   FREE   AGE
blue-v4   True    Valid    blue      10.0.1.0/24   10.0.1.1   2           250    5s
`);
  });

  it('has more columns when it is wide, and the tenant when it is of several', () => {
    expect(table([PORT], { wide: true, withTenant: true })).toBe(`
TENANT   NAME    READY   REASON               NETWORK   ADDRESSES              DPU     REPRESENTOR   AGE   TRUNK   MAC-ADDRESS         SEGMENT      MTU    ADMIN   OFFLOAD    PROPAGATED   LABELS
acme     web-0   True    AppliedAndReadBack   blue      10.0.1.5,fd00:0:1::5   dpu-7   pf0vf3        3m    -       02:00:5e:00:10:05   VXLAN:5001   1450   UP      SOFTWARE   1/2          app=web,tier=front
`);
  });

  it('tells of a port that is a VLAN of another, when it is wide', () => {
    const vlan = { ...PORT, spec: { network: 'blue', trunk: { parent: 'cnf-0', vlanId: 101 } } };
    expect(table([vlan], { wide: true })).toContain('   cnf-0:101   ');
  });

  it('of any kind has name, readiness and age, and no cell without a word', () => {
    for (const { kind } of KINDS) {
      const columns = columnsOf(kind, { wide: true, withTenant: false });
      const resource = { apiVersion: '', kind, metadata: { name: 'a' }, spec: {}, status: {} };
      expect(headerOf(columns)).toEqual(expect.arrayContaining(['NAME', 'READY', 'REASON', 'AGE']));
      expect(rowOf(columns, resource, NOW)).not.toContain('');
    }
  });

  it('shows what would command the terminal as question marks', () => {
    const hostile = { ...NETWORK, spec: { router: 'a\u001b[2Jb\nc' } };
    expect(table([hostile])).toContain('a?[2Jb?c');
  });

  it('keeps a cell that is wider than its column, and has no spaces at the end', () => {
    expect(formatRow(['long name', 'b', ''], [4, 4, 4])).toBe('long name   b');
  });
});
