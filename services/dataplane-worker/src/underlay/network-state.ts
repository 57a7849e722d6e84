import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing, type Log, replaceFile } from '@outboard/service-shell/process';
import type { Configuration, ConfigurationVersion } from './configuration.js';
import type { Setting } from './settings.js';

const FORMAT = 'outboard-underlay/1';

/** What a worker remembers of its DPU's own network; plain JSON. */
export interface NetworkState {
  /** The boot that `originals` and `pending` speak of. */
  readonly incarnation: string;
  /** In force. */
  readonly confirmed?: Configuration;
  /** What was there in this boot before `confirmed`, by key; null: nothing. */
  readonly originals: Readonly<Record<string, Setting | null>>;
  /** A change that was begun, and is neither confirmed nor undone. */
  readonly pending?: PendingChange;
  /** The last change that was undone: it is not tried again. */
  readonly refused?: Refusal;
}

export interface PendingChange {
  readonly configuration: Configuration;
  /** What was there before the first step, of all that may change. */
  readonly before: readonly Setting[];
  /** Keys of what the change sets or takes away. */
  readonly touched: readonly string[];
}

export interface Refusal extends ConfigurationVersion {
  readonly reason: string;
}

export interface NetworkJournal {
  /** Undefined: nothing was ever written. */
  read(): Promise<NetworkState | undefined>;
  /** Resolves when a crash, of the machine too, finds this or something newer. */
  write(state: NetworkState): Promise<void>;
}

/** The state as a file that is replaced whole: a crash leaves the one or the other. */
export class NetworkJournalFile implements NetworkJournal {
  /** @param dpu name of the DPU: what was written of another one (a copied disk) is not this one's. */
  constructor(
    private readonly directory: string,
    private readonly dpu: string,
    private readonly log: Log,
  ) {}

  async read(): Promise<NetworkState | undefined> {
    try {
      const { format, dpu, ...state } = JSON.parse(await readFile(this.#path, 'utf8'));
      if (format === FORMAT && dpu === this.dpu) return state as NetworkState;
      throw new Error(`it is ${format} of ${dpu}, not ${FORMAT} of ${this.dpu}`);
    } catch (failure) {
      if (isMissing(failure)) return undefined;
      this.log.error({ path: this.#path, err: failure }, 'the journal cannot be used and is put aside');
      await rename(this.#path, `${this.#path}.unusable`);
      return undefined;
    }
  }

  async write(state: NetworkState): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const text = JSON.stringify({ format: FORMAT, dpu: this.dpu, ...state });
    await replaceFile(this.#path, [Buffer.from(`${text}\n`)]);
  }

  get #path(): string {
    return join(this.directory, 'underlay.json');
  }
}
