// The firewall itself: nftables in the network namespace in which this program runs.
import { Refusal } from '../interface-server.mjs';
import { run } from '../run.mjs';
import { DESCRIPTION } from './interface.mjs';
import { CLOSED, countersOf, defaultCounter, problemsOf, ruleCounter, rulesetOf, TABLE } from './ruleset.mjs';

export class Firewall {
  description = DESCRIPTION;
  #configuration = CLOSED;

  /** Nothing passes before the first configuration; what an earlier process in this namespace had stays until then. */
  async start() {
    if ((await standingCounters()) === undefined) await nft(rulesetOf(CLOSED));
  }

  async configure(configuration, { dryRun }) {
    const problems = problemsOf(configuration);
    if (problems.length > 0) throw Refusal.invalid(problems);
    const wanted = new Set(countersOf(configuration));
    const obsolete = [...(await standingCounters()).keys()].filter((name) => !wanted.has(name));
    await nft(rulesetOf(configuration, obsolete), dryRun ? ['--check'] : []);
    if (!dryRun) this.#configuration = configuration;
  }

  call(method) {
    return method === 'counters' ? this.#counters() : this.#ruleset();
  }

  async isHealthy() {
    return (await standingCounters()) !== undefined;
  }

  async #counters() {
    const counters = await standingCounters();
    const of = (name) => counters.get(name) ?? { packets: '0', bytes: '0' };
    return {
      rules: Object.fromEntries(this.#configuration.rules.map(({ name }) => [name, of(ruleCounter(name))])),
      defaultAction: { outbound: of(defaultCounter('OUTBOUND')), inbound: of(defaultCounter('INBOUND')) },
      invalid: of('invalid'),
    };
  }

  async #ruleset() {
    return { text: await run('nft', ['list', 'table', ...TABLE.split(' ')]) };
  }
}

async function nft(text, options = []) {
  try {
    await run('nft', [...options, '-f', '-'], text);
  } catch (failure) {
    throw new Refusal('FAILED_PRECONDITION', `nft: ${failure.message}`);
  }
}

/** Packets and bytes by name; undefined: the table is not there. */
async function standingCounters() {
  const { nftables } = JSON.parse(await run('nft', ['--json', 'list', 'ruleset']));
  const [family, name] = TABLE.split(' ');
  if (!nftables.some(({ table }) => table?.family === family && table.name === name)) return undefined;
  return new Map(
    nftables
      .filter(({ counter }) => counter?.table === name && counter.family === family)
      .map(({ counter }) => [counter.name, { packets: `${counter.packets}`, bytes: `${counter.bytes}` }]),
  );
}
