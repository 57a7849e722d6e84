import { describe, expect, it } from '@jest/globals';
import { runDhcpClient } from '@outboard/testbed';
import { addressesScenario } from './addresses.js';
import { PacketsSite } from './packets-site.js';

describe('addresses, with real packets', () => {
  const world = addressesScenario(() => PacketsSite.open('addresses'));

  it('are told to hosts by DHCP, as the status says', async () => {
    const { site, acme, app } = world;
    const told = await runDhcpClient(site.podOf(app), 4);
    const subnet = acme.state.get(acme.address('Subnet', 'lab-v4'));
    expect(Object.fromEntries(told)).toMatchObject({
      ip_address: '10.4.0.110',
      routers: subnet?.kind === 'Subnet' ? subnet.status.gateway : 'no subnet',
      domain_name_servers: '10.4.0.10',
      domain_name: 'lab.example.org',
      host_name: 'lab-app',
      interface_mtu: `${acme.port('lab-app')?.status.mtu}`,
    });
  });
});
