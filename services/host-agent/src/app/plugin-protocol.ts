import type { PluginAnswer } from './verbs.js';

/**
 * How the plugin talks to the agent, a connection for each call: it writes its environment as `NAME=VALUE` texts, each
 * ended by a zero byte, an empty one behind the last, then its standard input, and closes its half; the agent writes the
 * exit code in decimal, a line feed, and what the plugin is to print, and closes.
 */
export interface PluginCall {
  readonly environment: ReadonlyMap<string, string>;
  readonly stdin: string;
}

/** Largest call, bytes. */
export const MAX_CALL_BYTES = 1 << 20;

/** Undefined: it is cut off or something else. */
export function decodeCall(bytes: Buffer): PluginCall | undefined {
  const environment = new Map<string, string>();
  for (let offset = 0; ; ) {
    const end = bytes.indexOf(0, offset);
    if (end < 0) return undefined;
    const text = bytes.toString('utf8', offset, end);
    offset = end + 1;
    if (text === '') return { environment, stdin: bytes.toString('utf8', offset) };
    const at = text.indexOf('=');
    if (at < 1) return undefined;
    environment.set(text.slice(0, at), text.slice(at + 1));
  }
}

export const encodeAnswer = ({ exitCode, stdout }: PluginAnswer): Buffer =>
  Buffer.from(`${exitCode}\n${stdout}`);
