import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface GuestOptions {
  /** A directory with a kernel's package unpacked. */
  readonly kernel: string;
  readonly image: Buffer;
  readonly deadlineMilliseconds: number;
  readonly onLine: (line: string) => void;
}

/** Runs a guest on an emulated processor until it turns itself off. Rejects when it takes longer, or cannot be started. */
export async function runGuest({ kernel, image, deadlineMilliseconds, onLine }: GuestOptions): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'outboard-guest-'));
  const initrd = join(directory, 'initrd');
  writeFileSync(initrd, image);
  const boot = join(kernel, 'boot');
  const name = readdirSync(boot).find((each) => each.startsWith('vmlinuz')) ?? 'vmlinuz';
  const child = spawn(
    'qemu-system-x86_64',
    [
      // No acceleration by the host: it may have none, and not every kind of it works.
      ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1536'],
      ...['-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio', '-nic', 'none'],
      ...['-kernel', join(boot, name), '-initrd', initrd],
      ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let complaint = '';
  child.stderr.on('data', (bytes: Buffer) => {
    complaint = `${complaint}${bytes}`.slice(-2000);
  });
  createInterface({ input: child.stdout }).on('line', onLine);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, deadlineMilliseconds);
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => {
        if (late) reject(new Error(`the guest ran longer than ${deadlineMilliseconds} ms`));
        else if (status === 0) resolve();
        else reject(new Error(`qemu ended with ${status}: ${complaint.trim()}`));
      });
    });
  } finally {
    clearTimeout(timer);
    rmSync(directory, { recursive: true });
  }
}
