import { request } from 'node:http';
import { join } from 'node:path';
import { AppError } from '@outboard/core';
import type { Pod, Program, Testbed } from '@outboard/testbed';
import { CNFS } from './examples.js';

/** A network function of `examples/cnfs` in a pod, asked by its socket as a worker would. */
export class CnfInPod {
  private constructor(
    readonly program: Program,
    private readonly directory: string,
  ) {}

  static async start(testbed: Testbed, pod: Pod, cnf: string, directory: string): Promise<CnfInPod> {
    // As in a container: /run is its own.
    const script = `mount -t tmpfs tmpfs /run && exec node ${join(CNFS, cnf, 'main.mjs')}`;
    const program = testbed.program(pod, {
      name: `${cnf}-${pod.name}`,
      command: ['unshare', '--mount', 'sh', '-c', script],
      environment: { OUTBOARD_DIRECTORY: directory },
    });
    await program.start();
    return new CnfInPod(program, directory);
  }

  /** Throws AppError INTERNAL with what it refuses. */
  ask(method: 'POST' | 'PUT' | 'GET', path: string, body: unknown = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socketPath = join(this.directory, 'interfaces.sock');
      const asked = request({ socketPath, method, path }, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new AppError('INTERNAL', text));
      });
      asked.on('error', reject).end(JSON.stringify(body));
    });
  }
}
