import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { doorAddress, doorAddressIpv6 } from '../src/realise/realise-egress.js';
import * as d from '../src/testing/documents.js';
import { ACME, DPUS, type EgressSite, PORTS, SERVER, UMBRELLA, UPLINKS, WEB_1 } from './egress-site.js';
import { addressesOf } from './packet-lab.js';

const [WEB, WEB_IPV6] = addressesOf(WEB_1);
const SERVER_IPV6 = { ip: SERVER.ip6, port: SERVER.port };

/** What every driver has to do with packets that leave by the uplink. */
export function egressPackets(title: string, open: () => Promise<EgressSite>): void {
  jest.setTimeout(60_000);
  describe(`${title}: a way out`, () => {
    let site: EgressSite;

    const letOut = async (ways: readonly d.Entry[]): Promise<void> => {
      for (const dpu of DPUS) await site.apply(dpu, [...site.entriesFor(dpu), ...ways]);
    };

    beforeAll(async () => {
      site = await open();
      await letOut([ACME, UMBRELLA].map((router) => d.egressGateway(router)));
    });
    afterAll(async () => {
      await site?.[Symbol.asyncDispose]();
    });

    it.each(PORTS.map(({ name, dpu }) => [name, dpu] as const))(
      'lets %s reach a server beyond the uplink of %s, which sees the DPU as the client',
      async (name, dpu) => {
        for (const protocol of ['TCP', 'UDP'] as const)
          expect(await site.echo(name, SERVER, protocol)).toMatchObject({ ip: UPLINKS[dpu]?.ip });
        await site.untilReached(name, SERVER.ip);
      },
    );

    it('serves tenants with the same addresses, and the same ports, at the same time', async () => {
      const from = { ip: '10.0.1.11', port: 12_345 };
      const clients = await site.echoTogether(['web-1', 'their-web'], SERVER, from);
      const asDpu = expect.objectContaining({ ip: UPLINKS['dpu-1']?.ip });
      expect(clients).toEqual([asDpu, asDpu]);
      expect(clients[0]).not.toEqual(clients[1]);
    });

    it('lets nobody in who was not spoken to, whatever he knows of the addresses behind it', async () => {
      await site.untilReached('web-1', SERVER.ip);
      await site.whileListening([['web-1', 9001]], async () => {
        expect(await site.intrudes('dpu-1', WEB, 9001)).toBe(false);
        // Nor where the DPU knows a way: a router's own address between the two.
        for (const ip of [WEB, doorAddress(ACME)]) expect(await site.intrudes('dpu-1', ip)).toBe(false);
        // The same way does lead there for somebody of the tenant.
        expect(await site.echo('db-2', { ip: WEB, port: 9001 }, 'TCP')).toMatchObject({ ip: '10.0.2.12' });
      });
    });

    it('lets IPv6 out as soon as the uplink has an address for it, under that, and nobody in', async () => {
      await site.addIpv6();
      await letOut(
        [ACME, UMBRELLA].flatMap((router) => [d.egressGateway(router), d.egressGateway(router, 'IPV6')]),
      );
      for (const { name, dpu } of PORTS) {
        await site.untilReached(name, SERVER_IPV6.ip);
        for (const protocol of ['TCP', 'UDP'] as const)
          expect(await site.echo(name, SERVER_IPV6, protocol)).toMatchObject({ ip: UPLINKS[dpu]?.ip6 });
        await site.untilReached(name, SERVER.ip);
      }
      for (const ip of [WEB_IPV6, doorAddressIpv6(ACME)])
        expect(await site.intrudes('dpu-1', ip)).toBe(false);
      for (const ip of [UPLINKS['dpu-1']?.ip6 ?? '', 'fe80::2', 'fd00:2::11'])
        expect(await site.pings('their-web', ip)).toBe(false);
    });

    it('does not lead to the DPU itself, to another router, or into tunnels', async () => {
      const inside = [
        ['dpu-1', 9002],
        ['fabric', 4789],
      ] as const;
      await site.whileListening(inside, async () => {
        for (const ip of ['10.254.0.1', '10.255.0.1', '169.254.0.1'])
          expect(await site.echo('web-1', { ip, port: 9002 }, 'TCP')).toBeUndefined();
        for (const ip of [SERVER.ip, SERVER_IPV6.ip])
          expect(await site.echo('web-1', { ip, port: 4789 }, 'UDP')).toBeUndefined();
      });
      // The management network is beyond another device of the DPU.
      expect(await site.pings('web-1', '10.255.0.254')).toBe(false);
      expect(await site.pings('their-web', '10.0.2.11')).toBe(false);
    });

    it('is closed again when it is not wanted any more, and the uplink forwards no more than before', async () => {
      for (const ip of [SERVER.ip, SERVER_IPV6.ip]) await site.untilReached('web-1', ip);
      await site.apply('dpu-1', site.entriesFor('dpu-1'));
      for (const ip of [SERVER.ip, SERVER_IPV6.ip]) expect(await site.pings('web-1', ip)).toBe(false);
      await site.untilNothingIsForwarded('dpu-1');
    });
  });
}
