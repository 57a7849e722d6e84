// The gateway: keeps charon at what the configuration says, and its tunnels up.
import { isDeepStrictEqual } from 'node:util';
import { Refusal } from '../interface-server.mjs';
import { connectionOf, NOTHING, problemsOf, sharedKeyOf, statusOf } from './connections.mjs';
import { DESCRIPTION } from './interface.mjs';

/** How often the tunnels are looked at; by chance, or two sides that begin at once would replace each other's again and again. */
const KEEP_MILLISECONDS = [100, 600];

export class Gateway {
  description = DESCRIPTION;
  #vici;
  #keys;
  #configuration = NOTHING;
  #timer;

  constructor(vici, keys) {
    this.#vici = vici;
    this.#keys = keys;
  }

  /** From now on tunnels that are down are begun, now and again and again; what is under way is left alone. */
  keep() {
    const [least, most] = KEEP_MILLISECONDS;
    this.#timer = setTimeout(
      () => {
        this.#beginWhatIsDown()
          .catch((failure) => console.error(`ipsec: ${failure.message}`))
          .finally(() => this.#timer && this.keep());
      },
      least + Math.random() * (most - least),
    );
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async configure(configuration, { dryRun }) {
    const problems = problemsOf(configuration);
    if (problems.length > 0) throw Refusal.invalid(problems);
    // Nothing is wrong with a configuration whose keys are yet to come: it waits for them.
    if (dryRun) return;
    const keys = configuration.peers.map(({ preSharedKey }) => this.#keys.get(preSharedKey));
    const missing = configuration.peers.filter((_, index) => keys[index] === undefined);
    if (missing.length > 0) {
      const names = [...new Set(missing.map(({ preSharedKey }) => preSharedKey))];
      throw new Refusal('UNAVAILABLE', `waits for method set-key to give it the keys ${names.join(', ')}`);
    }
    const before = new Map(this.#configuration.peers.map((peer) => [peer.name, peer]));
    const after = new Map(configuration.peers.map((peer) => [peer.name, peer]));
    for (const [name, peer] of before) {
      if (!isDeepStrictEqual(peer, after.get(name))) await this.#remove(name);
    }
    this.#configuration = { peers: this.#configuration.peers.filter(({ name }) => after.has(name)) };
    for (const [index, peer] of configuration.peers.entries()) {
      await this.#vici.request('load-shared', sharedKeyOf(peer, keys[index]));
      // An unchanged one is loaded again, which leaves its tunnel as it is.
      await this.#load(peer, index);
    }
    this.#configuration = configuration;
  }

  call(method, request) {
    if (method === 'status') return this.#status();
    return method === 'rekey' ? this.#rekey(request.peer) : this.#setKey(request);
  }

  /** Whether charon answers. */
  isHealthy() {
    return this.#vici.request('version').then(
      () => true,
      () => false,
    );
  }

  async #load(peer, index) {
    try {
      await this.#vici.request('load-conn', connectionOf(peer));
    } catch (failure) {
      throw Refusal.invalid([{ field: `peers[${index}]`, description: failure.message }]);
    }
  }

  async #remove(name) {
    await this.#vici.request('unload-conn', { name });
    await this.#vici.request('unload-shared', { id: name });
    // It refuses when there is none.
    await this.#vici.request('terminate', { ike: name, force: 'yes' }).catch(() => undefined);
  }

  async #status() {
    const sas = await this.#vici.stream('list-sas', 'list-sa');
    return { peers: this.#configuration.peers.map((peer) => statusOf(peer, sas)) };
  }

  async #rekey(name) {
    if (!this.#configuration.peers.some((peer) => peer.name === name)) {
      throw new Refusal('NOT_FOUND', `there is no peer ${name}`);
    }
    try {
      await this.#vici.request('rekey', { child: name });
      return {};
    } catch (failure) {
      throw new Refusal('FAILED_PRECONDITION', `peer ${name} is not rekeyed: ${failure.message}`);
    }
  }

  /** A tunnel that is up goes on with what it was begun with. */
  async #setKey({ name, key }) {
    this.#keys.set(name, key);
    for (const peer of this.#configuration.peers) {
      if (peer.preSharedKey === name) await this.#vici.request('load-shared', sharedKeyOf(peer, key));
    }
    return {};
  }

  async #beginWhatIsDown() {
    if (this.#configuration.peers.length === 0) return;
    const { peers } = await this.#status();
    for (const { name, state } of peers) {
      // Without waiting for how it ends.
      if (state === 'DOWN') await this.#vici.request('initiate', { child: name, ike: name, timeout: '-1' });
    }
  }
}
