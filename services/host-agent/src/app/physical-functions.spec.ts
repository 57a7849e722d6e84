import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MacAddress } from '@outboard/model';
import { PhysicalFunctions } from './physical-functions.js';

const PF = '0000:03:00.0';
const MAC = '08:c0:eb:8a:d7:8a' as MacAddress;

describe('functions as ports and as hosts name them', () => {
  let sysfs: string;

  /** As the kernel has them: the physical function links to its virtual ones, whose addresses skip devices. */
  beforeAll(() => {
    sysfs = mkdtempSync(join(tmpdir(), 'outboard-sysfs-'));
    mkdirSync(join(sysfs, PF));
    for (const [number, address] of ['0000:03:00.2', '0000:03:00.3', '0000:03:01.0'].entries()) {
      symlinkSync(`../${address}`, join(sysfs, PF, `virtfn${number}`));
    }
  });

  afterAll(() => rmSync(sysfs, { recursive: true }));

  const onBus = (): PhysicalFunctions =>
    new PhysicalFunctions(
      [
        { ifname: 'lo', address: '00:00:00:00:00:00' },
        // Somebody has given it another address; ports name it by its own.
        {
          ifname: 'p0',
          address: '02:00:00:00:00:01',
          permAddress: MAC,
          parentDevName: PF,
          parentDevBusName: 'pci',
        },
        { ifname: 'tun0' },
        { ifname: 'br0', address: MAC },
      ],
      sysfs,
    );
  const byName = (): PhysicalFunctions =>
    new PhysicalFunctions([{ ifname: 'enp1s0f0', address: MAC }], sysfs);

  it('are found on the PCI bus by what the kernel says, whatever their devices are called', () => {
    expect(onBus().placeOf({ pfMacAddress: MAC, vfNumber: 2 })).toEqual({ pciAddress: '0000:03:01.0' });
    expect(onBus().placeOf({ pfMacAddress: MAC, vfNumber: undefined })).toEqual({ ifname: 'p0' });
  });

  it('are found by their names where there is no bus', () => {
    expect(byName().placeOf({ pfMacAddress: MAC, vfNumber: 2 })).toEqual({ ifname: 'enp1s0f0v2' });
  });

  it('are not found where the host has no such physical function', () => {
    const other = '02:00:00:00:00:09' as MacAddress;
    expect(onBus().placeOf({ pfMacAddress: other, vfNumber: 0 })).toBeUndefined();
  });

  it.each([
    ['0000:03:00.3', 1],
    ['0000:03:01.0', 2],
    ['p0v7', 7],
    [PF, undefined],
    ['p0', undefined],
  ])('are what a device plugin calls %s', (deviceId, vfNumber) => {
    expect(onBus().identify(deviceId)).toEqual({ pfMacAddress: MAC, vfNumber });
  });

  it.each(['0000:04:00.0', 'p0v', 'p0v12345', 'p0x1', ''])(
    'are none that a device plugin calls %j',
    (deviceId) => {
      expect(onBus().identify(deviceId)).toBeUndefined();
    },
  );
});
