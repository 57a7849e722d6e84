import { AppError, type Code } from '@outboard/core';
import { SYSTEM_TENANT } from '../values.js';

/** Users of a resource that are named when it cannot be deleted. */
const MAX_USERS = 10;

interface Violation {
  readonly field: string;
  readonly description: string;
  readonly code: Code;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Every semantic problem of one command, so that a caller learns them all at once. */
export class Refusal {
  readonly #violations: Violation[] = [];

  get isEmpty(): boolean {
    return this.#violations.length === 0;
  }

  add(
    field: string,
    description: string,
    code: Code,
    reason: string,
    metadata: Readonly<Record<string, string>> = {},
  ): void {
    this.#violations.push({ field, description, code, reason, metadata });
  }

  /** Takes over the problems that the model has found. */
  addAll(error: AppError | undefined): void {
    for (const { field, description } of error?.violations ?? []) {
      this.add(field, description, error?.code ?? 'INVALID_ARGUMENT', error?.reason ?? '');
    }
  }

  /** What all problems have in common, or INVALID_ARGUMENT; a single problem is also the message. */
  toError(): AppError {
    const [first, ...others] = this.#violations;
    if (!first) return new AppError('INTERNAL', 'refused without a problem');
    const shared = <Key extends 'code' | 'reason'>(key: Key): Violation[Key] | undefined =>
      others.every((other) => other[key] === first[key]) ? first[key] : undefined;
    const reason = shared('reason');
    const message =
      others.length === 0 ? `${first.field}: ${first.description}` : `${others.length + 1} problems`;
    return new AppError(shared('code') ?? 'INVALID_ARGUMENT', message, {
      ...(reason === undefined ? {} : { reason, metadata: first.metadata }),
      violations: this.#violations.map(({ field, description }) => ({ field, description })),
    });
  }
}

/** A resource as messages name it: `port acme/web-0`, or `dpu dpu-7` where there are no tenants. */
export const describe = (resource: {
  readonly kind: string;
  readonly metadata: { readonly tenant: string; readonly name: string };
}): string => {
  const { tenant, name } = resource.metadata;
  return `${resource.kind.toLowerCase()} ${tenant === SYSTEM_TENANT ? name : `${tenant}/${name}`}`;
};

/** Why something that is in use cannot be deleted, naming the first users. */
export function inUse(what: string, users: readonly string[], total: number): AppError {
  const named = users.slice(0, MAX_USERS);
  const rest = total - named.length;
  const list = rest > 0 ? `${named.join(', ')} and ${rest} more` : named.join(', ');
  return new AppError('FAILED_PRECONDITION', `${what} is in use by ${total}: ${list}`, {
    reason: 'IN_USE',
    metadata: { total: `${total}`, users: named.join(', ') },
  });
}

/** The first names in order, for messages and lists that must not depend on how things came about. */
export function firstUsers(users: Iterable<string>): string[] {
  const first: string[] = [];
  for (const user of users) {
    if (first.length === MAX_USERS && user >= (first.at(-1) ?? '')) continue;
    let index = first.length;
    while (index > 0 && (first[index - 1] ?? '') > user) index--;
    first.splice(index, 0, user);
    if (first.length > MAX_USERS) first.pop();
  }
  return first;
}
