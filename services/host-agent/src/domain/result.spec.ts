import { describe, expect, it } from '@jest/globals';
import { type Connection, comparePrevious, defaultGatewaysOf, resultOf } from './result.js';

const CONNECTION: Connection = {
  macAddress: '02:00:5e:00:10:05',
  mtu: 1450,
  addresses: [
    { ip: '10.0.1.5', prefixLength: 24, gateway: '10.0.1.1' },
    { ip: 'fd00::5', prefixLength: 64, gateway: undefined },
  ],
  defaultGateways: ['10.0.1.1'],
  dns: { nameservers: ['10.96.0.10'], domain: undefined, search: [], options: [] },
};
const POD = { ifname: 'eth0', netns: '/run/netns/pod' };

describe('the result of ADD', () => {
  it('is as the specification says in version 1.1.0', () => {
    expect(resultOf('1.1.0', POD, CONNECTION, undefined)).toEqual({
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', mac: '02:00:5e:00:10:05', mtu: 1450, sandbox: '/run/netns/pod' }],
      ips: [
        { address: '10.0.1.5/24', gateway: '10.0.1.1', interface: 0 },
        { address: 'fd00::5/64', interface: 0 },
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '10.0.1.1' }],
      dns: { nameservers: ['10.96.0.10'] },
    });
  });

  it('has no MTU before 1.1.0, and tells the family of addresses before 1.0.0', () => {
    const older = resultOf('1.0.0', POD, CONNECTION, undefined);
    expect(older.interfaces).toEqual([{ name: 'eth0', mac: '02:00:5e:00:10:05', sandbox: '/run/netns/pod' }]);
    const oldest = resultOf('0.4.0', POD, CONNECTION, undefined);
    expect(oldest.ips).toMatchObject([{ version: '4' }, { version: '6' }]);
  });

  it('goes behind the result of the plugin before it', () => {
    const before = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'lo' }],
      ips: [{ address: '127.0.0.1/8', interface: 0 }],
    };
    expect(resultOf('1.0.0', POD, CONNECTION, before)).toMatchObject({
      interfaces: [{ name: 'lo' }, { name: 'eth0' }],
      ips: [{ interface: 0 }, { interface: 1 }, { interface: 1 }],
    });
  });

  describe('as the runtime has kept it for CHECK', () => {
    const kept = resultOf('1.1.0', POD, CONNECTION, undefined);
    const compare = (result: object) => comparePrevious({ ...kept, ...result }, 'eth0', CONNECTION);

    it('is what the pod was given', () => {
      expect(compare({})).toEqual({ differences: [], expected: CONNECTION });
      const own = kept.interfaces as readonly object[];
      const more = {
        interfaces: [{ name: 'eth0' }, ...own],
        ips: [...(kept.ips as []), { address: '1.2.3.4/8' }],
      };
      expect(compare(more).differences).toEqual([]);
    });

    it('must have the interface and its addresses', () => {
      expect(compare({ interfaces: [{ name: 'eth0' }], ips: [] }).differences).toEqual([
        'prevResult.interfaces does not have eth0',
        'prevResult.ips does not have 10.0.1.5/24',
        'prevResult.ips does not have fd00::5/64',
      ]);
      const other = { name: 'eth0', sandbox: '/run/netns/pod', mac: '02:00:5E:00:00:01' };
      expect(compare({ interfaces: [other] }).differences).toEqual([
        'prevResult.interfaces has eth0 with MAC address 02:00:5e:00:00:01, not 02:00:5e:00:10:05',
      ]);
    });

    it('may have lost default routes to a later plugin, and need not list what it does not know', () => {
      expect(compare({ routes: [] })).toEqual({
        differences: [],
        expected: { ...CONNECTION, defaultGateways: [] },
      });
      expect(comparePrevious({ cniVersion: '1.0.0' }, 'eth0', CONNECTION)).toEqual({
        differences: [],
        expected: CONNECTION,
      });
    });
  });

  it('has one default gateway of each family: the first', () => {
    const [first] = CONNECTION.addresses;
    const addresses = [first, { ip: '10.0.2.5', prefixLength: 24, gateway: '10.0.2.1' }].flatMap(
      (each) => each ?? [],
    );
    expect(
      defaultGatewaysOf([...addresses, { ip: 'fd00::5', prefixLength: 64, gateway: 'fd00::1' }]),
    ).toEqual(['10.0.1.1', 'fd00::1']);
  });
});
