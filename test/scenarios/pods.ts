import type { SitePod } from './site.js';

/** The pods of a scenario, by the names that it calls them. */
export class Pods extends Map<string, SitePod> {
  readonly of = (name: string): SitePod => {
    const pod = this.get(name);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    return pod;
  };
}
