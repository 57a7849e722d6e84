import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SESSION_FILE, type SessionDescription } from '@outboard/acceleration';
import { AcceleratorError } from './accelerator-error.js';

/** Where a session is now. After a move it is elsewhere, under another epoch. */
export interface SessionLocation {
  /** The directory that was mounted for it. */
  readonly directory: string;
  /** 32 bytes. */
  readonly token: Uint8Array;
}

export type SessionProgram = SessionDescription['programs'][number];

/** What the session's directory says of it. UNAVAILABLE: no worker serves it there. */
export async function readSession(directory: string): Promise<SessionDescription> {
  try {
    const text = await readFile(join(directory, SESSION_FILE), 'utf8');
    return JSON.parse(text) as SessionDescription;
  } catch (failure) {
    throw new AcceleratorError(
      'UNAVAILABLE',
      0,
      failure instanceof Error ? failure.message : String(failure),
    );
  }
}
