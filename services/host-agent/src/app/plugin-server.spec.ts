import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RecordingLog } from '@outboard/testkit';
import { PluginServer } from './plugin-server.js';

const READ_MILLISECONDS = 50;
const CALL = Buffer.from('CNI_COMMAND=VERSION\0\0{}');

/** Holds every turn of this process up for longer than a call may take, until it is told to end. */
function holdUp(): () => void {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  let isOver = false;
  const turn = () => {
    Atomics.wait(nothing, 0, 0, 2 * READ_MILLISECONDS);
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    isOver = true;
  };
}

describe('the server of plugins', () => {
  let directory: string;
  let path: string;
  let server: PluginServer;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'outboard-server-'));
    path = join(directory, 'cni.sock');
    const answer = async () => ({ exitCode: 0, stdout: 'answered' });
    server = await PluginServer.listen(path, answer, new RecordingLog(), READ_MILLISECONDS);
  });

  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  it('answers a call that came in time, though it was itself held up', async () => {
    const release = holdUp();
    const socket = connect({ path, allowHalfOpen: true });
    socket.end(CALL);
    try {
      expect(await text(socket)).toBe('0\nanswered');
    } finally {
      release();
    }
  });

  it('leaves a plugin that says nothing', async () => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.resume();
    await new Promise((resolve) => socket.once('end', resolve));
    socket.destroy();
  });
});
