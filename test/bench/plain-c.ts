import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { NetworkNamespace } from '@outboard/netlink';
import { interleave, note } from './report.js';

const BATCH_SIZES = [64, 128, 256, 512];

/** What `netlink.c` installs. */
export type Table = 'routes' | 'fdb';

/** The yardstick: plain C on a raw netlink socket, compiled here, in one namespace. */
export class PlainC {
  private constructor(
    private readonly program: string,
    private readonly namespace: NetworkNamespace,
  ) {}

  /** Compiles it into a folder. */
  static compile(folder: string, namespace: NetworkNamespace): PlainC {
    const program = join(folder, 'netlink');
    const source = new URL('../../bench/netlink.c', import.meta.url).pathname;
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, source], { stdio: ['ignore', 'inherit', 'inherit'] });
    return new PlainC(program, namespace);
  }

  /** Milliseconds that it takes to install `count` entries, `batch` in a message to the kernel. */
  run(table: Table, count: number, batch: number, ifindex: number): number {
    const args = [table, String(count), String(batch), String(ifindex)];
    return Number(this.namespace.run(() => execFileSync(this.program, args, { encoding: 'utf8' })));
  }

  /** The batch size at which it is fastest on this machine. */
  async bestBatch(table: Table, count: number, ifindex: number, flush: () => Promise<void>): Promise<number> {
    const contender = (batch: number) => async (): Promise<number> => {
      await flush();
      return this.run(table, count, batch, ifindex);
    };
    const byBatch = await interleave(
      2,
      Object.fromEntries(BATCH_SIZES.map((batch) => [batch, contender(batch)])),
    );
    const [best] = Object.entries(byBatch).sort(([, a], [, b]) => a - b);
    const batch = Number(best?.[0]);
    note(`C, ${table}: best of ${BATCH_SIZES.join(', ')} messages per send is ${batch}`);
    return batch;
  }
}
