import type { GeneratedVersion } from '@outboard/acceleration';

/**
 * What the broker has to be told of the keys that were made here: each once. A broker that has started anew is told of all
 * of them again, as its store may not be the one that it was.
 */
export class GeneratedKeys {
  /** Fingerprints that are stored, by key and version. */
  #stored = new Map<string, string>();
  #storedBy = '';

  /** Those of what there is that are not stored yet. What is no more is forgotten. */
  news(made: readonly GeneratedVersion[]): readonly GeneratedVersion[] {
    const known = this.#stored;
    const isKnown = (each: GeneratedVersion): boolean => known.get(nameOf(each)) === each.fingerprint;
    if (known.size > 0) this.#stored = toMap(made.filter(isKnown));
    return made.filter((each) => !isKnown(each));
  }

  /** @param by who has stored them; empty: nobody. */
  stored(told: readonly GeneratedVersion[], by: string): void {
    if (by === '') return;
    if (by !== this.#storedBy) this.#stored.clear();
    this.#storedBy = by;
    for (const each of told) this.#stored.set(nameOf(each), each.fingerprint);
  }
}

const nameOf = ({ keyUid, version }: GeneratedVersion): string => `${keyUid} ${version}`;

const toMap = (versions: readonly GeneratedVersion[]): Map<string, string> =>
  new Map(versions.map((each) => [nameOf(each), each.fingerprint]));
