import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { AF_INET, libc, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET, SystemError } from '@outboard/ffi';

/** include/uapi/asm-generic/socket.h, since Linux 5.14. */
const SO_NETNS_COOKIE = 71;

/**
 * Names this boot of this DPU's network, 32 hexadecimal digits: another value means that nothing of what was in the
 * kernel is left. Where DPUs are network namespaces, a new namespace is a boot too.
 */
export function currentIncarnation(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return createHash('sha256').update(`${boot}/${networkNamespace()}`).digest('hex').slice(0, 32);
}

/** A number that no other network namespace of this boot had or will have. */
function networkNamespace(): string {
  const socket = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    const cookie = Buffer.alloc(8);
    libc.getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, cookie);
    return cookie.toString('hex');
  } catch (failure) {
    if (!(failure instanceof SystemError)) throw failure;
    // An older kernel: the inode identifies a namespace while it lives, but can come back with a later one.
    return String(statSync('/proc/self/ns/net').ino);
  } finally {
    libc.close(socket);
  }
}
