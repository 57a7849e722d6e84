import { expect, it } from '@jest/globals';
import { libc } from './libc.js';
import { errnoName, SystemError } from './system-error.js';

it('a failed call tells its name, its errno and the name of that', () => {
  expect(() => libc.close(-1)).toThrow(new SystemError('close', 9));
  expect(() => libc.umount2('/nonexistent', 0)).toThrow('umount2 /nonexistent: ENOENT (2)');
});

it('a call off the thread rejects with the errno of that call, whatever the main thread does meanwhile', async () => {
  const failing = libc.sendtoOffThread(-1, Buffer.alloc(1), 1, null);
  expect(() => libc.umount2('/nonexistent', 0)).toThrow('ENOENT');
  await expect(failing).rejects.toMatchObject({ syscall: 'sendto', errno: 9, code: 'EBADF' });
});

it('errno names are the kernel’s, with one name for aliases', () => {
  expect([1, 11, 17, 95, 105, 524, 9999].map(errnoName)).toEqual([
    'EPERM',
    'EAGAIN',
    'EEXIST',
    'EOPNOTSUPP',
    'ENOBUFS',
    'ENOTSUPP',
    'E9999',
  ]);
});
