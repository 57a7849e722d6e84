import { Command, Option } from 'commander';
import { EXIT } from './exit.js';
import type { Session } from './session.js';
import type { CommonOptions } from './settings.js';
import type { Terminal } from './terminal.js';
import { VERSION } from './version.js';

/** A command line, understood. The code of the command is loaded when it is executed: help needs none of it. */
export interface Invocation {
  readonly options: CommonOptions & { readonly output?: string };
  /** It only looks: it may be left at any time. */
  readonly changesNothing: boolean;
  execute(session: Session): Promise<void>;
}

type CommandFunction<Options> = (
  session: Session,
  args: readonly string[],
  options: Options,
) => Promise<void>;

export interface ProgramOptions {
  readonly terminal: Pick<Terminal, 'write' | 'tell'>;
  run(invocation: Invocation): Promise<void>;
}

const HELP_WIDTH = 100;
/** What changes nothing. */
const LOOKS = { changesNothing: true };

const KIND_HELP = `
Kinds: dpu, dpunetworkconfiguration, functionpool, function, physicalnetwork, encapsulationpolicy,
router, network, subnet, addressset, securitypolicy, port, netlinkobject, servicechain, workload,
workloadconfiguration, accelerationquota, accelerationprofile, accelerationkey, accelerationsession;
the plural is understood as well. Several are joined by commas, all stands for all of a tenant (with
-A also for those that belong to none).`;

/** The command line of \`outboard\`. Its help is also what the README has. */
export function createProgram({ terminal, run }: ProgramOptions): Command {
  const program = new Command('outboard');
  program
    .description('Tells Outboard what the network shall be, and shows what it is.')
    .version(VERSION, '--version', 'print the version and end')
    .option(
      '--server <url>',
      'NATS server, several of a cluster joined by commas (env: OUTBOARD_NATS_URL; default: nats://127.0.0.1:4222)',
    )
    .option(
      '--seed <file>',
      "file with the nkey seed of a role (env: OUTBOARD_NATS_SEED_FILE; default: a local stack's)",
    )
    .option('-t, --tenant <name>', 'tenant of resources that name none (env: OUTBOARD_TENANT)')
    .option(
      '--timeout <time>',
      'how long an answer is awaited, such as 500ms, 10s, 5m (default: 10s; what `wait` waits for: 30s)',
    )
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(outboard help shows what there is)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      // Help that nobody reads any more, as behind `| head`, is no failure.
      writeOut: (text) => void terminal.write(text).catch(() => {}),
      writeErr: (text) => terminal.tell(text),
      getOutHelpWidth: () => HELP_WIDTH,
      getErrHelpWidth: () => HELP_WIDTH,
    })
    .exitOverride();
  program.addHelpText(
    'after',
    `
In a checkout, \`npm run outboard -- fleet --dpus N\` simulates a fleet: it is a program of its own.
${examples(['outboard ping', 'outboard apply -f examples/', 'outboard get ports -A'])}`,
  );

  const define = <Options>(
    name: string,
    description: string,
    load: () => Promise<CommandFunction<Options>>,
    { changesNothing = false } = {},
  ): Command => {
    const command = program.command(name).description(description).copyInheritedSettings(program);
    command.action(async () => {
      const options = command.optsWithGlobals<Options & Invocation['options']>();
      const execute = async (session: Session): Promise<void> =>
        (await load())(session, command.args, options);
      await run({ options, changesNothing, execute });
    });
    return command;
  };

  define(
    'apply',
    'Create or update the resources in files.',
    async () => (await import('./commands/apply.js')).apply,
  )
    .requiredOption(
      '-f, --filename <path>',
      'file, folder, or - for standard input; may be repeated',
      repeated,
    )
    .option('--dry-run', 'show what would be done, on which DPU, without doing it')
    .addOption(output(['text', 'json']))
    .addHelpText(
      'after',
      `
Files hold YAML or JSON, several documents divided by ---. Every problem of every document is
told, as file[document]: field: rule, before anything is sent. What others need is applied first;
the rest goes on after a refusal.
${examples(['outboard apply -f network.yaml -f ports/', 'outboard apply -f - --dry-run < ports.json', 'outboard -t acme apply -f ports.yaml'])}`,
    );

  define('get', 'Show resources.', async () => (await import('./commands/get.js')).get, LOOKS)
    .argument('<kind>', 'KIND, KIND/NAME or all')
    .argument('[name...]', 'names of resources; none: all of the kind')
    .addOption(output(['table', 'wide', 'json', 'yaml', 'name']))
    .option('-l, --selector <labels>', 'only with these labels: key=value and key!=value, joined by commas')
    .option(
      '--field-selector <fields>',
      'only with these values: status.dpu=dpu-1 and the like, joined by commas',
    )
    .option('-A, --all-tenants', 'of all tenants')
    .option('-w, --watch', 'go on with a row for every change, also when one is not selected any more')
    .addHelpText(
      'after',
      `${KIND_HELP}
${examples(['outboard -t acme get ports', 'outboard get ports -A -o wide --field-selector status.dpu=dpu-1', 'outboard -t acme get port/web-0 network/blue -o yaml', 'outboard -t acme get ports -l app=web --watch'])}`,
    );

  define(
    'describe',
    'Show all about a resource: spec, status, conditions, who uses it, its latest events.',
    async () => (await import('./commands/describe.js')).describe,
    LOOKS,
  )
    .argument('<kind>', 'KIND or KIND/NAME')
    .argument('[name...]', 'names of resources')
    .addHelpText('after', examples(['outboard -t acme describe port web-0', 'outboard describe dpu/dpu-1']));

  define(
    'delete',
    'Delete resources, by name or those in files.',
    async () => (await import('./commands/delete.js')).remove,
  )
    .argument('[kind]', 'KIND or KIND/NAME')
    .argument('[name...]', 'names of resources')
    .option('-f, --filename <path>', 'file, folder, or - for standard input; may be repeated', repeated)
    .option('--ignore-not-found', 'what is not there counts as deleted')
    .option('--wait', 'end when nothing is seen of them any more')
    .addOption(output(['text', 'json']))
    .addHelpText(
      'after',
      `
What others need is deleted last. Deleting what is in use is refused, naming the users.
${examples(['outboard -t acme delete port web-0 web-1', 'outboard delete -f examples/ --ignore-not-found --wait'])}`,
    );

  define(
    'watch',
    'Follow the state: what is there, then a line for every change.',
    async () => (await import('./commands/watch.js')).watch,
    LOOKS,
  )
    .argument('<kind>', 'KIND, KIND/NAME or all')
    .argument('[name]', 'name of a resource')
    .option('-A, --all-tenants', 'of all tenants')
    .addOption(output(['text', 'json']))
    .addHelpText('after', examples(['outboard -t acme watch ports', 'outboard watch all -A -o json']));

  define(
    'events',
    'Show the log of events: accepted, refused, ready, notready, deleted.',
    async () => (await import('./commands/events.js')).events,
    LOOKS,
  )
    .argument('[kind]', 'KIND, KIND/NAME or all')
    .argument('[name]', 'name of a resource')
    .option(
      '--since <start>',
      'sequence of the log (1042), time (2026-11-22T10:08:00Z) or span until now (10m)',
    )
    .option('--follow', 'go on with what comes; without --since only that')
    .option('-A, --all-tenants', 'of all tenants')
    .addOption(output(['text', 'json']))
    .addHelpText(
      'after',
      examples([
        'outboard -t acme events',
        'outboard -t acme events port web-0 --since 1h',
        'outboard events -A --follow -o json',
      ]),
    );

  define(
    'explain',
    'Tell what becomes of a flow: the verdict, what decides, and the way hop by hop.',
    async () => (await import('./commands/explain.js')).explain,
    LOOKS,
  )
    .requiredOption('--from <port>', 'port/NAME that begins it')
    .requiredOption('--to <port>', 'port/NAME or an address')
    .requiredOption('--protocol <protocol>', 'tcp, udp, icmp or icmpv6')
    .option('--port <number>', 'destination port of tcp and udp')
    .option('--icmp-type <number>', 'default: an echo request')
    .option('--source <address>', "default: the port's own")
    .addOption(output(['text', 'json']))
    .addHelpText(
      'after',
      `
What is told holds once the DPUs have applied what is planned; ports that are not Ready are named.
${examples([
  'outboard -t acme explain --from port/web-0 --to port/db-0 --protocol tcp --port 5432',
  'outboard -t acme explain --from web-0 --to 10.0.2.9 --protocol icmp -o json',
])}`,
    );

  define(
    'trace',
    'Send a flow between pods of a testbed, and compare what packets do with what is explained.',
    async () => (await import('./commands/trace.js')).trace,
    LOOKS,
  )
    .requiredOption('--from <port>', 'port/NAME whose pod begins it')
    .requiredOption('--to <port>', 'port/NAME or an address')
    .requiredOption('--protocol <protocol>', 'tcp, udp, icmp or icmpv6 (echo requests)')
    .option('--port <number>', 'destination port of tcp and udp')
    .addOption(output(['text', 'json']))
    .addHelpText(
      'after',
      `
The local stack answers: it sends the flow from the pod's namespace, and looks at the ports, the
representors and the underlay for its packets. Exits with 0 when packets do what is explained, else 1.
${examples([
  'outboard -t acme trace --from port/web-0 --to port/db-0 --protocol tcp --port 5432',
  'outboard -t acme trace --from web-0 --to 10.0.2.9 --protocol icmp -o json',
])}`,
    );

  define(
    'counters',
    'Show how many packets and bytes the rules of a security policy have decided on, or the hops of a chain were given.',
    async () => (await import('./commands/counters.js')).counters,
    LOOKS,
  )
    .argument('<kind>', 'securitypolicy or servicechain')
    .argument('<name>', 'which one')
    .addOption(output(['table', 'json', 'yaml']))
    .addHelpText(
      'after',
      `
First the sum of all DPUs that have ports it applies to, then each of them. Packets of both ways of a
connection count, at the port that opened it and at the one that accepted it, each by its own policy.
A rule counts as long as it has its name on the DPU, whatever else of it changes.

Of a chain, what each hop was given, and what of that went on from it: what ports send (FORWARD) and
what they get (REVERSE).
${examples([
  'outboard -t acme counters securitypolicy web',
  'outboard -t acme counters securitypolicy web -o json',
  'outboard -t acme counters servicechain to-databases',
])}`,
    );

  define('logs', 'Show what a workload says.', async () => (await import('./commands/logs.js')).logs, LOOKS)
    .argument('<workload>', 'which one')
    .option('-f, --follow', 'go on with whatever it says, until interrupted')
    .option('--tail <number>', 'how many of the last lines, 1 to 1000 (default: 100)')
    .option('--timestamps', 'with the time of each line')
    .addHelpText(
      'after',
      `
A workload's DPU keeps the last MiB or two, also over its restarts.
${examples(['outboard -t acme logs firewall -f', 'outboard -t acme logs firewall --tail 20 --timestamps'])}`,
    );

  define(
    'cnf',
    'Show the interfaces that network functions publish, and call their methods.',
    async () => (await import('./commands/cnf.js')).cnf,
  )
    .argument('<verb>', 'interfaces or call')
    .argument(
      '[argument...]',
      'interfaces: a workload; call: WORKLOAD INTERFACE METHOD and a JSON text, or -',
    )
    .addOption(output(['table', 'json', 'yaml']))
    .addHelpText(
      'after',
      `
What a method takes and gives is in the schemas, which -o yaml shows.
${examples([
  'outboard -t acme cnf interfaces',
  'outboard -t acme cnf interfaces firewall -o yaml',
  'outboard -t acme cnf call firewall firewall counters',
  `outboard -t acme cnf call ipsec ipsec rekey '{"peer": "site-b"}'`,
])}`,
    );

  define(
    'layer1',
    "Show what a DPU's dataplane is made of, as its kernel or its switch names it.",
    async () => (await import('./commands/layer1.js')).layer1,
    LOOKS,
  )
    .argument('<verb>', 'get')
    .argument(
      '[type]',
      'links, addresses, neighbours, fdb, routes, elements, ...; flows, groups, interfaces, ...; or all',
      'all',
    )
    .requiredOption('--dpu <name>', 'which DPU')
    .addOption(output(['table', 'wide', 'json', 'yaml']))
    .option(
      '--field-selector <fields>',
      'only with these values: state=FAILED,source.kind=Port and the like, joined by commas',
    )
    .option('-A, --all-tenants', 'of all tenants, and what is left over of none')
    .addHelpText(
      'after',
      `
Each object tells which intent it is for, what is wanted and what was read back. Its state is WANTED
(under way), APPLIED, PENDING, FAILED, FOREIGN, UNSUPPORTED or LEFTOVER.
${examples([
  'outboard -t acme layer1 get links --dpu dpu-1',
  'outboard layer1 get fdb --dpu dpu-1 -A -o wide',
  'outboard layer1 get flows --dpu dpu-3 -A',
  'outboard -t acme layer1 get --dpu dpu-1 --field-selector source.kind=Port,source.name=web-0 -o yaml',
])}`,
    );

  define(
    'acceleration',
    "Show what a DPU's accelerator does, have it go wrong on purpose, measure what it is worth.",
    async () => (await import('./commands/acceleration.js')).acceleration,
  )
    .argument('<verb>', 'stats, top, inject, clear, bench or token')
    .argument(
      '[argument...]',
      'inject: CORRUPT, FAIL, DELAY, DROP or HANG; clear: a fault; bench: programs; token: a session',
    )
    .option('--dpu <name>', 'which DPU, of all verbs but bench and token')
    .option('--every <time>', 'top: between two looks (default: 2s)')
    .option('--rounds <number>', 'top: how many; default: until it is interrupted')
    .option('--operation <operation>', 'inject: ENCRYPT, DECRYPT, COMPRESS, DECOMPRESS, GENERATE or VERIFY')
    .option('--algorithm <name>', 'inject: such as AES_256_GCM or ZSTD')
    .option('--module <name>', 'inject: by this module alone, such as libcrypto or node')
    .option('--count <number>', 'inject: to so many jobs; default: until it is cleared')
    .option('--interval <number>', 'inject: to every so many of the jobs')
    .option('--delay <time>', 'inject: of DELAY, such as 20ms')
    .option('--directory <path>', "bench: the session's directory, with its sockets")
    .option('--token-file <file>', "bench: file with the session's token, 64 hexadecimal digits")
    .addOption(output(['table', 'json', 'yaml']))
    .addHelpText(
      'after',
      `
stats shows counters since the threads began, top what is done between two looks: the share of the
engines' time that each busy session had, beside its share of the weights. A module that fails again
and again is SKIPPED. inject needs a worker with OUTBOARD_ACCELERATION_FAULTS=allowed.
bench runs a session's programs from here: the speed that was achieved, the engine's by its own
account, and that of the same libraries in this process; and the processor time of a job here.
token gives a session that has none a new token, once: nobody keeps it. The one before is not valid
any more.
${examples([
  'outboard acceleration stats --dpu dpu-1 -o json',
  'outboard acceleration top --dpu dpu-1 --every 5s',
  'outboard acceleration inject FAIL --dpu dpu-1 --operation ENCRYPT --algorithm AES_256_GCM --module libcrypto',
  'outboard acceleration clear --dpu dpu-1',
  'outboard acceleration bench 1 --directory /run/accelerator --token-file token',
  'outboard -t acme acceleration token backup-0 >token',
])}`,
    );

  define(
    'dead',
    'Show, replay or drop dead letters: messages whose handling was given up.',
    async () => (await import('./commands/dead.js')).dead,
  )
    .argument('<verb>', 'list, show, replay or drop')
    .argument('[sequence...]', 'which letters, by their sequences in the list')
    .option('--subject <prefix>', 'only those of messages whose subject begins so')
    .option('--reason <text>', 'only those whose reason has this text in it')
    .option('--from <sequence>', 'only those from this sequence on')
    .option('--limit <number>', 'at most so many, the oldest first; up to 1000', '100')
    .option('-A, --all-tenants', 'of all tenants, as without -t')
    .option('--yes', 'replay or drop all that are selected without their sequences')
    .addOption(output(['table', 'json', 'yaml']))
    .addHelpText(
      'after',
      `
A replay goes to its original subject under its original id, or under one of the letter's own for
the two minutes in which the stream would take that for a repetition; then the letter is removed.
What a later intent has overtaken is refused as SUPERSEDED, which \`outboard events\` shows. What
fails again becomes a letter again.
${examples([
  'outboard dead list --reason "gave up"',
  'outboard dead show 42',
  'outboard dead replay 42 43',
  'outboard -t acme dead drop --subject outboard.v1alpha1.intent.acme.network.port. --yes',
])}`,
    );

  define(
    'dpu',
    'Approve DPUs, drain them and use them again, reboot, retry and retire them.',
    async () => (await import('./commands/dpu.js')).dpu,
  )
    .argument('<verb>', 'approve, drain, undrain, reboot, retry or retire')
    .argument('<name...>', 'names of DPUs')
    .option('--wait', 'end when they are there, and tell every change on the way; --timeout: 1h')
    .option('--drain-seconds <number>', 'drain, retire: how long what is there may take to leave')
    .option('--force', 'drain, retire: stop the workloads that are there at once')
    .option('--request <text>', 'reboot, retry: asks once for each text (default: the time)')
    .addHelpText(
      'after',
      `
Changes fields of the DPU's spec: approved, and desired, drainSeconds, forceDrain, rebootRequest and
retryRequest of lifecycle. What is not named stays as it is. A drained DPU is in MAINTENANCE: nothing
new comes to it, its workloads are moved where they may be, and ports have to be moved by their owners;
--wait tells who is left, and why. undrain ends that, or the maintenance, or what retire began. The
exit code is 124 when the time is over.
${examples(['outboard dpu approve dpu-7', 'outboard dpu drain dpu-7 --wait --timeout 30m', 'outboard dpu reboot dpu-7 --request firmware-24.10 --wait', 'outboard dpu undrain dpu-7 --wait'])}`,
    );

  define(
    'wait',
    'Wait until resources are as they should be.',
    async () => (await import('./commands/wait.js')).wait,
  )
    .argument('<kind>', 'KIND or KIND/NAME')
    .argument('[name...]', 'names of resources')
    .requiredOption(
      '--for <goal>',
      'condition=TYPE, condition=TYPE=STATUS, delete, or a field such as status.dpu=dpu-1',
    )
    .addHelpText(
      'after',
      `
A condition counts only when it speaks of the present spec. What does not exist yet is waited for.
The exit code is 124 when the time of --timeout is over.
${examples(['outboard -t acme wait port web-0 web-1 --for condition=Ready --timeout 1m', 'outboard -t acme wait port/web-0 --for delete', 'outboard -t acme wait port/web-0 --for status.dpu=dpu-2'])}`,
    );

  define(
    'ping',
    'Show which services run, with versions, instances and statistics.',
    async () => (await import('./commands/ping.js')).ping,
    LOOKS,
  )
    .addOption(output(['table', 'json']))
    .addHelpText('after', examples(['outboard ping', 'outboard ping -o json']));

  // Looked for here, as `npm run outboard` has it.
  program
    .command('fleet', { hidden: true })
    .argument('[argument...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(() =>
      program.error(
        'error: fleet is a program of its own: in a checkout, `npm run outboard -- fleet --dpus N` starts it',
        { exitCode: EXIT.usage },
      ),
    );

  program
    .command('version')
    .description('Print the version of this command and of the bus contract.')
    .copyInheritedSettings(program)
    .action(async () => {
      const { SUBJECT_PREFIX } = await import('@outboard/contracts');
      await terminal.write(`outboard ${VERSION} (contract ${SUBJECT_PREFIX}, Node ${process.version})\n`);
    });
  return program;
}

const output = (choices: readonly [string, ...string[]]): Option =>
  new Option('-o, --output <format>', `how it is shown; json also for errors, on standard error`)
    .choices(choices)
    .default(choices[0]);

const repeated = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

const examples = (lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
