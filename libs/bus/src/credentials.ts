import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createUser, fromSeed } from '@nats-io/nkeys';
import { AppError } from '@outboard/core';
import { inboxPrefixOf, type Role } from './roles.js';

/** A role with the public half of its key: what the server knows of it. */
export interface AuthorizedRole {
  readonly role: Role;
  /** `U...`: an Ed25519 public key in NKey form. */
  readonly publicKey: string;
}

/** What `connectNats` needs to be a role. */
export interface Credentials {
  readonly seed: Uint8Array;
  readonly inboxPrefix: string;
}

const fileOf = (directory: string, roleName: string): string => join(directory, `${roleName}.seed`);

/**
 * Makes the key of every role that has none yet: `<directory>/<role>.seed` with the NKey seed, readable by its owner only.
 * Keys that are there stay. Nothing else in the project holds a secret of the bus.
 */
export async function generateCredentials(
  directory: string,
  roles: readonly Role[],
): Promise<readonly AuthorizedRole[]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const authorized: AuthorizedRole[] = [];
  for (const role of roles) {
    const file = fileOf(directory, role.name);
    if (!existsSync(file)) await makeSeed(file);
    authorized.push({ role, publicKey: keyOf(file, await seedOf(file)).getPublicKey() });
  }
  return authorized;
}

/** The credentials of one role, as `generateCredentials` left them. Rejects with UNAUTHENTICATED when there are none. */
export async function readCredentials(directory: string, roleName: string): Promise<Credentials> {
  const file = fileOf(directory, roleName);
  const seed = await seedOf(file);
  keyOf(file, seed);
  return { seed, inboxPrefix: inboxPrefixOf({ name: roleName }) };
}

/** Of two that run at once, one makes the file and both read the same whole seed: linking is atomic and exclusive. */
async function makeSeed(file: string): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, createUser().getSeed(), { mode: 0o600 });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
}

/** The seed of a role in a file of any name. Rejects with UNAUTHENTICATED, naming the file, where none is to be had. */
export async function readSeed(file: string): Promise<Uint8Array> {
  const seed = await seedOf(file);
  keyOf(file, seed);
  return seed;
}

async function seedOf(file: string): Promise<Uint8Array> {
  try {
    return new TextEncoder().encode((await readFile(file, 'utf8')).trim());
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('UNAUTHENTICATED', `no credentials: ${why}`, { cause });
  }
}

function keyOf(file: string, seed: Uint8Array): ReturnType<typeof fromSeed> {
  try {
    return fromSeed(seed);
  } catch {
    // Without the cause: its text may hold what is in the file.
    throw new AppError('UNAUTHENTICATED', `${file} holds no NKey seed`);
  }
}
