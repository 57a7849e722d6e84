import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Refusal, serveInterfaces } from '../interface-server.mjs';

const EMPTY = { type: 'object' };
const description = {
  name: 'lamp',
  version: '1.0.0',
  methods: [{ name: 'blink', request: EMPTY, response: EMPTY }],
  configuration: EMPTY,
};

describe('what a CNF serves on its socket', () => {
  let directory;
  let stop;
  let healthy;
  let seen;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'cnf-'));
    healthy = true;
    seen = [];
    stop = await serveInterfaces({
      directory,
      interfaces: [
        {
          description,
          call: async (method, body) => {
            seen.push(`${method} begins`);
            await new Promise((resolve) => setImmediate(resolve));
            seen.push(`${method} ends`);
            if (body.times > 3) throw new Error('the bulb is broken');
            return { times: body.times ?? 1 };
          },
          configure: async (configuration, options) => {
            if (configuration.colour === 'ultraviolet') {
              throw Refusal.invalid([{ field: 'colour', description: 'must be visible' }]);
            }
            seen.push([configuration, options]);
          },
        },
      ],
      isHealthy: () => healthy,
    });
  });

  afterEach(async () => {
    await stop();
    rmSync(directory, { recursive: true });
  });

  /** `[status, body]`. */
  const ask = (method, path, body) =>
    new Promise((resolve, reject) => {
      const socketPath = join(directory, 'interfaces.sock');
      const asked = request({ socketPath, method, path }, async (response) => {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        resolve([response.statusCode, JSON.parse(Buffer.concat(chunks).toString())]);
      });
      asked
        .on('error', reject)
        .end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
    });

  it('says what it publishes', async () => {
    expect(await ask('GET', '/interfaces')).toEqual([200, { interfaces: [description] }]);
  });

  it('is healthy or not', async () => {
    expect(await ask('GET', '/health')).toEqual([200, { healthy: true }]);
    healthy = false;
    expect(await ask('GET', '/health')).toMatchObject([503, { code: 14, status: 'UNAVAILABLE' }]);
  });

  it('calls methods, with an empty object where there is no body, one after the other', async () => {
    const answers = await Promise.all([
      ask('POST', '/interfaces/lamp/methods/blink', { times: 2 }),
      ask('POST', '/interfaces/lamp/methods/blink'),
    ]);
    expect(answers).toEqual([
      [200, { times: 2 }],
      [200, { times: 1 }],
    ]);
    expect(seen).toEqual(['blink begins', 'blink ends', 'blink begins', 'blink ends']);
  });

  it('takes configurations, or only looks at them', async () => {
    await ask('PUT', '/interfaces/lamp/configuration', { colour: 'red' });
    await ask('PUT', '/interfaces/lamp/configuration?dryRun=true', { colour: 'blue' });
    expect(seen).toEqual([
      [{ colour: 'red' }, { dryRun: false }],
      [{ colour: 'blue' }, { dryRun: true }],
    ]);
  });

  it('names every field that is refused', async () => {
    const refused = await ask('PUT', '/interfaces/lamp/configuration', { colour: 'ultraviolet' });
    expect(refused).toEqual([
      400,
      {
        code: 3,
        status: 'INVALID_ARGUMENT',
        message: '1 problem',
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.BadRequest',
            fieldViolations: [{ field: 'colour', description: 'must be visible' }],
          },
        ],
      },
    ]);
  });

  it.each([
    ['an unknown method', 'POST', '/interfaces/lamp/methods/explode', undefined, 404],
    ['an unknown interface', 'PUT', '/interfaces/toaster/configuration', undefined, 404],
    ['an unknown path', 'GET', '/', undefined, 404],
    ['a body that is not JSON', 'POST', '/interfaces/lamp/methods/blink', '{', 400],
    ['a body that is too long', 'POST', '/interfaces/lamp/methods/blink', ' '.repeat((1 << 20) + 1), 413],
    ['a failure of its own', 'POST', '/interfaces/lamp/methods/blink', { times: 4 }, 500],
  ])('refuses %s and goes on', async (_, method, path, body, status) => {
    expect((await ask(method, path, body))[0]).toBe(status);
    expect((await ask('GET', '/health'))[0]).toBe(200);
  });

  it('takes the socket of a process that was killed over, and leaves none behind', async () => {
    const other = await serveInterfaces({ directory, interfaces: [], isHealthy: () => true });
    expect(await ask('GET', '/interfaces')).toEqual([200, { interfaces: [] }]);
    await other();
    expect(() => statSync(join(directory, 'interfaces.sock'))).toThrow('ENOENT');
  });
});
