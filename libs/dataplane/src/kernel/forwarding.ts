import { readFileSync, writeFileSync } from 'node:fs';
import { runIn } from '@outboard/ffi';
import type { Place } from './place.js';

const pathOf = (device: string): string => `/proc/sys/net/ipv4/conf/${device}/forwarding`;

const isAbsent = (failure: unknown): boolean =>
  failure instanceof Error && 'code' in failure && failure.code === 'ENOENT';

/** Whether IPv4 that comes in by the device is forwarded; `all`: what holds where nobody said otherwise. */
export function isForwarding({ namespace }: Place, device: string): boolean {
  try {
    return runIn(namespace, () => readFileSync(pathOf(device), 'latin1').trim() === '1');
  } catch (failure) {
    if (isAbsent(failure)) return false;
    throw failure;
  }
}

/** Without the device there is nothing to be said of it. */
export function setForwarding({ namespace }: Place, device: string, on: boolean): void {
  try {
    runIn(namespace, () => writeFileSync(pathOf(device), on ? '1' : '0'));
  } catch (failure) {
    if (!isAbsent(failure)) throw failure;
  }
}
