import { describe, expect, it } from '@jest/globals';
import { FUNCTION_GROUP } from '@outboard/contracts';
import type { Device } from './device.js';
import { anyOfSwitch, functionsAmong, touchesFunctions } from './functions.js';

const device = (name: string, more: Partial<Device> = {}): Device => ({
  index: 1,
  name,
  up: true,
  promiscuous: false,
  mtu: 1500,
  alias: '',
  group: 0,
  kind: '',
  master: 0,
  peer: 0,
  vxlan: undefined,
  geneve: undefined,
  vlanId: 0,
  bridgePort: undefined,
  address: '02:00:00:00:00:01',
  permanentAddress: '',
  carrier: true,
  physPortName: '',
  switchId: '',
  ...more,
});

describe('functions', () => {
  it('are known by the names of their representors, in the order of their numbers', () => {
    const names = ['pf1vf2', 'lo', 'pf0vf10', 'pf0vf9', 'p0', 'pf0hpf', 'c1pf0sf88', 'eth0', 'pf0vfx'];
    expect(functionsAmong(names.map((name) => device(name))).map(({ netdev }) => netdev)).toEqual([
      'pf0hpf',
      'pf0vf9',
      'pf0vf10',
      'pf1vf2',
      'c1pf0sf88',
    ]);
  });

  it('have the numbers and flavour of the physical port name, which goes before the device name', () => {
    const [found] = functionsAmong([
      device('enp3s0npf0vf0', { physPortName: 'c1pf0vf3', switchId: 'ab', carrier: false }),
    ]);
    expect(found).toMatchObject({
      flavour: 'PCI_VF',
      controller: 1,
      pfNumber: 0,
      vfNumber: 3,
      physPortName: 'c1pf0vf3',
      switchId: 'ab',
      attached: false,
    });
    expect(found).not.toHaveProperty('sfNumber');
  });

  it('tell the MAC address of the physical function that they belong to', () => {
    const pf = device('pf0hpf', { permanentAddress: '08:c0:eb:00:00:01' });
    const [, vf] = functionsAmong([device('pf0vf0'), pf]);
    expect(vf).toMatchObject({ netdev: 'pf0vf0', pfMacAddress: '08:c0:eb:00:00:01' });
  });

  it('are for the DPU itself where its worker has made them, and for the host where hardware has', () => {
    const [made, other] = functionsAmong([device('pf0sf1', { group: FUNCTION_GROUP }), device('pf0sf2')]);
    expect(made).toMatchObject({ flavour: 'VIRTUAL', sfNumber: 1, external: false, attachment: 'DPU' });
    expect(other).toMatchObject({ flavour: 'PCI_SF', sfNumber: 2, external: true, attachment: 'HOST' });
  });

  it('are another list when one comes, goes, or looks different, and not when its alias or MTU changes', () => {
    const before = device('pf0vf0');
    expect(touchesFunctions(undefined, before)).toBe(true);
    expect(touchesFunctions(before, undefined)).toBe(true);
    expect(touchesFunctions(before, device('pf0vf0', { up: false }))).toBe(true);
    expect(touchesFunctions(before, device('pf0vf0', { alias: 'x', mtu: 1450 }))).toBe(false);
    expect(touchesFunctions(device('eth0'), undefined)).toBe(false);
  });

  it('are of a switch if a representor of one is, whatever other devices belong to', () => {
    const uplink = device('eth0', { switchId: 'ab' });
    expect(anyOfSwitch([uplink, device('pf0vf1')])).toBe(false);
    expect(anyOfSwitch([uplink, device('pf0vf1'), device('pf0vf2', { switchId: 'ab' })])).toBe(true);
  });
});
