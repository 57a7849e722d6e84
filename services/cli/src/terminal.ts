import { addAbortSignal } from 'node:stream';
import { AppError } from '@outboard/core';
import { Interrupted } from './interruption.js';

/** Where a command reads and writes. */
export interface Terminal {
  /** To standard output. Resolves when there is room for more: a slow reader slows the command, not the memory. */
  write(text: string): Promise<void>;
  /** To standard error. */
  tell(text: string): void;
  /** Standard error is seen by a person. */
  readonly isInteractive: boolean;
  /** All of standard input, as UTF-8; rejects with INVALID_ARGUMENT above so many bytes. */
  readInput(maxBytes: number): Promise<Buffer>;
}

/** Nobody reads standard output any more, as behind `| head`. */
export class OutputClosed extends Error {}

/** The terminal, pipes or files that the process was started with. The signal ends what reads standard input. */
export function processTerminal(signal: AbortSignal): Terminal {
  const { stdin, stdout, stderr } = process;
  let isClosed = false;
  const closed = new Promise<never>((_, reject) => {
    stdout.on('error', () => {
      isClosed = true;
      reject(new OutputClosed());
    });
  });
  closed.catch(() => {});
  return {
    isInteractive: stderr.isTTY === true,
    async write(text) {
      if (isClosed) throw new OutputClosed();
      if (stdout.write(text)) return;
      await Promise.race([closed, new Promise((resolve) => stdout.once('drain', resolve))]);
    },
    tell: (text) => void stderr.write(text),
    async readInput(maxBytes) {
      const chunks: Buffer[] = [];
      let size = 0;
      try {
        for await (const chunk of addAbortSignal(signal, stdin)) {
          size += (chunk as Buffer).length;
          if (size > maxBytes) {
            throw AppError.invalid([{ field: '-', description: `must be at most ${maxBytes} bytes` }]);
          }
          chunks.push(chunk as Buffer);
        }
      } catch (thrown) {
        throw signal.aborted ? new Interrupted() : thrown;
      }
      return Buffer.concat(chunks);
    },
  };
}

/** The terminal, on which nothing more appears after the signal. */
export const silentAfter = (signal: AbortSignal, terminal: Terminal): Terminal => ({
  isInteractive: terminal.isInteractive,
  write: async (text) => {
    if (!signal.aborted) await terminal.write(text);
  },
  tell: (text) => {
    if (!signal.aborted) terminal.tell(text);
  },
  readInput: (maxBytes) => terminal.readInput(maxBytes),
});
