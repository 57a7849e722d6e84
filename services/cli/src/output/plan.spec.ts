import { describe, expect, it } from '@jest/globals';
import { formatDependent, formatPlan } from './plan.js';

describe('a plan', () => {
  it('tells what every DPU would be given and what would be taken from it', () => {
    const documents = [
      { dpu: 'dpu-1', upserts: ['endpoint/a'], deletes: ['route/b'] },
      { dpu: 'dpu-2', upserts: [], deletes: ['remoteendpoint/a'] },
    ];
    expect(formatPlan('port/web-0', 'configured', { changed: ['Port/acme/web-0'], documents })).toEqual([
      'port/web-0 would be configured',
      '  on dpu-1: 1 objects set, 1 removed',
      '    set endpoint/a',
      '    remove route/b',
      '  on dpu-2: 0 objects set, 1 removed',
      '    remove remoteendpoint/a',
    ]);
  });

  it('lists so many objects of a DPU and counts the others', () => {
    const upserts = Array.from({ length: 23 }, (_, index) => `endpoint/${index}`);
    const plan = { changed: ['Port/acme/a'], documents: [{ dpu: 'dpu-1', upserts, deletes: [] }] };
    const lines = formatPlan('port/a', 'created', plan);
    expect(lines).toHaveLength(23);
    expect(lines.at(-1)).toBe('    and 3 more');
  });

  it('shows what is another in an object, and which flows begin or stop to be possible', () => {
    const endpoint = (adminUp: boolean) => ({
      source: { kind: 'Port' },
      endpoint: { portUid: 'a', adminUp, ipAddresses: ['10.0.0.1'] },
    });
    const objects = [{ key: 'endpoint/a', before: endpoint(true), after: endpoint(false) }];
    const from = { network: 'blue', names: ['a'], total: 1 };
    const to = { network: 'red', names: ['b', 'c'], total: 7 };
    const services = [
      { protocol: 'TCP', first: 80, last: 90 },
      { protocol: 'UDP' },
      { protocol: 'ICMP', first: 2048, last: 2303 },
    ];
    expect(
      formatPlan('port/a', 'configured', {
        changed: ['Port/acme/a'],
        documents: [{ dpu: 'dpu-1', upserts: ['endpoint/a'], deletes: [], objects }],
        flows: [{ change: 'STOPS', family: 4, from, to, services }],
        flowTotal: 3,
      }),
    ).toEqual([
      'port/a would be configured',
      '  on dpu-1: 1 objects set, 0 removed',
      '    set endpoint/a',
      '      endpoint.adminUp: true -> false',
      '  port/a (blue) to port/b port/c and 5 more (red) over IPv4: TCP 80-90, UDP, ICMP type 8 is possible no more',
      '  and 2 more flows that begin or stop to be possible',
    ]);
  });

  it('of an acceleration session tells where it fits, and why not elsewhere', () => {
    const place = { locality: 'DPU', offload: 'SOFTWARE', expectedMegabytesPerSecond: 900 };
    const placement = {
      fits: true,
      places: [
        { ...place, dpu: 'dpu-1' },
        { ...place, dpu: 'dpu-2' },
      ],
      placeTotal: 3,
      refusals: [{ dpu: 'dpu-4', reason: 'Unsupported', message: 'dpu-4 has no engine for COMPRESS ZSTD' }],
      refusalTotal: 1,
    };
    const plan = { changed: [], documents: [], placement };
    expect(formatPlan('accelerationsession/s', 'created', plan)).toEqual([
      'accelerationsession/s would be created',
      '  no DPU needs anything for it',
      '  it fits on 3 DPUs, the best first',
      '    dpu-1: SOFTWARE, about 900 MB/s beside what is there',
      '    dpu-2: SOFTWARE, about 900 MB/s beside what is there',
      '    and 1 more',
      '  not on 1',
      '    dpu-4 has no engine for COMPRESS ZSTD',
    ]);
  });

  it('of what no DPU needs, or what changes nothing, says so', () => {
    const nothing = { changed: ['Network/acme/blue'], documents: [] };
    expect(formatPlan('network/blue', 'created', nothing)).toEqual([
      'network/blue would be created',
      '  no DPU needs anything for it',
    ]);
    expect(formatPlan('network/blue', 'unchanged', nothing)).toEqual(['network/blue would stay unchanged']);
  });

  it('of what needs others of the same call names them', () => {
    expect(formatDependent('port/web-0', 'created', ['network/blue', 'subnet/blue-v4'])).toBe(
      'port/web-0 would be created after network/blue and subnet/blue-v4; what DPUs need for it is known then',
    );
  });
});
