import type { Spec } from '../driver.js';
import type { Closures } from './closures.js';
import { type Entry, type Issue, type NeutralRecord, sameSpec, type Tracker } from './entry.js';
import type { Progress } from './progress.js';

/** Why objects are not as they should be, and what follows from that for the records that want them. */
export class Issues<S extends Spec> {
  readonly #issues = new Map<string, Issue>();

  constructor(
    private readonly tracker: Tracker<S>,
    private readonly closures: Pick<Closures<S>, 'doubtsOf'>,
    private readonly progress: Pick<Progress, 'problem'>,
  ) {}

  /** Of the driver object with that key. */
  note(key: string, issue: Issue): void {
    this.#issues.set(key, issue);
  }

  /** Nothing is wrong with it any more; tells whether something was. */
  clear(key: string): boolean {
    return this.#issues.delete(key);
  }

  /** Tells the problem of a record, or that it has none. */
  judge(record: NeutralRecord<S>): void {
    // Of what is gone from the document, only a failing removal is told, when it fails.
    this.progress.problem(record, record.bytes === undefined ? undefined : this.of(record));
  }

  /** The first thing that is wrong with a record's objects, in their order; waiting only if nothing is wrong. */
  of(record: NeutralRecord<S>): Issue | undefined {
    if (record.blocked !== undefined) return record.blocked;
    let pending: Issue | undefined;
    for (const object of record.objects) {
      const entry = this.tracker.get(object.key);
      const { wanted, claims } = entry ?? {};
      if (entry !== undefined && entry.open === object) {
        const closed = this.#closedIssue(entry);
        if (closed?.state === 'PENDING') pending ??= closed;
        else if (closed !== undefined) return closed;
      } else if (
        !object.guess &&
        wanted !== undefined &&
        wanted !== object &&
        !sameSpec(wanted.spec, object.spec)
      )
        return { state: 'FAILED', message: `${claims?.[0]?.key} wants ${object.key} otherwise` };
      const issue = this.#issues.get(object.key);
      if (issue?.state === 'PENDING') pending ??= issue;
      else if (issue !== undefined) return issue;
    }
    return pending;
  }

  /** It is closed for a part of which was told that it cannot be made. */
  #closedIssue(entry: Entry<S>): Issue | undefined {
    for (const part of this.closures.doubtsOf(entry)) {
      const issue = this.#issues.get(part);
      if (issue === undefined) continue;
      const message = `${entry.key} lets less through than it should, as ${part} is missing`;
      return { state: issue.state === 'PENDING' ? 'PENDING' : 'FAILED', message };
    }
    return undefined;
  }

  /** What is wrong with a driver object. */
  with(key: string): Issue | undefined {
    return this.#issues.get(key);
  }
}
