import { type DocumentOffload, MAX_LISTED_PROBLEMS, type SoftwareObject } from '../document.js';
import type { Driver, Spec } from '../driver.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import type { NeutralRecord, Tracker } from './entry.js';
import type { Wants } from './wants.js';

export const NOT_OFFLOADED = 'NotOffloadedByDataplane';

/**
 * Which endpoints hardware does not have, or not wholly. They are judged again when something of them may be another,
 * not at each report. Without hardware it keeps nothing.
 */
export class Offloads<S extends Spec> {
  /** Why, by owner and neutral key. */
  readonly #software: ReadonlyMap<string, Map<string, string>>;
  /** By owner, neutral keys that are to be judged again. */
  readonly #doubtful: ReadonlyMap<string, Set<string>>;
  #hasHardware = false;

  constructor(
    private readonly driver: Pick<Driver<S>, 'view' | 'capabilities'>,
    private readonly wants: Wants<S>,
    private readonly tracker: Tracker<S>,
  ) {
    this.#software = new Map(wants.owners.map((owner) => [owner, new Map()]));
    this.#doubtful = new Map(wants.owners.map((owner) => [owner, new Set()]));
  }

  /** Asks again whether there is hardware. Returns the owners that are to hear of it: all if that has changed. */
  probe(): readonly string[] {
    const before = this.#hasHardware;
    this.#hasHardware =
      this.driver.view !== undefined &&
      this.driver.capabilities().some(({ name, available }) => name === HARDWARE_OFFLOAD && available);
    if (this.#hasHardware === before) return [];
    for (const owner of this.wants.owners) {
      this.#software.get(owner)?.clear();
      this.doubt(this.wants.records(owner).values());
    }
    return this.wants.owners;
  }

  /** Their objects are others, or hardware took one over or let go of it. */
  doubt(records: Iterable<NeutralRecord<S>>): void {
    if (!this.#hasHardware) return;
    for (const { owner, key } of records)
      if (key.startsWith('endpoint/')) this.#doubtful.get(owner)?.add(key);
  }

  /** Judges what is doubtful of an owner's; whether the outcome is another than before. */
  judge(owner: string): boolean {
    const software = this.#software.get(owner);
    const doubtful = this.#doubtful.get(owner);
    if (software === undefined || doubtful === undefined) return false;
    let isNews = false;
    for (const key of doubtful) {
      const record = this.wants.records(owner).get(key);
      const reason = record && this.#reasonOf(record);
      if (reason !== software.get(key)) isNews = true;
      if (reason === undefined) software.delete(key);
      else software.set(key, reason);
    }
    doubtful.clear();
    return isNews;
  }

  /** What a report tells of an owner's endpoints; undefined: there is no hardware. */
  of(owner: string): DocumentOffload | undefined {
    if (!this.#hasHardware) return undefined;
    const software = this.#software.get(owner) ?? new Map<string, string>();
    const inSoftware: SoftwareObject[] = [];
    for (const [key, reason] of software) {
      if (inSoftware.length >= MAX_LISTED_PROBLEMS) break;
      inSoftware.push({ key, reason });
    }
    return { inSoftware, inSoftwareTotal: software.size };
  }

  /** Why hardware does not do all that the record's objects do; undefined: it does. */
  #reasonOf({ objects }: NeutralRecord<S>): string | undefined {
    let forwards = false;
    for (const { key } of objects) {
      const { wanted, observed } = this.tracker.get(key) ?? {};
      if (wanted === undefined || !this.driver.view?.forwards(wanted.spec.kind)) continue;
      if (!observed?.inHardware) return `${NOT_OFFLOADED}: ${key}`;
      forwards = true;
    }
    return forwards ? undefined : 'NothingForwarded';
  }
}
