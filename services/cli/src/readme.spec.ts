import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { KINDS, kindToken } from '@outboard/model';
import { createProgram } from './program.js';
import { LOCAL_SEED } from './settings.js';
import { VERSION } from './version.js';

const README = new URL('../README.md', import.meta.url);
const START = '<!-- commands -->\n';
const END = '<!-- /commands -->\n';

const silent = { write: async () => {}, tell: () => {} };
const program = createProgram({ terminal: silent, run: async () => {} });
/** That the help shows, but for the help itself. */
const commands = program
  .createHelp()
  .visibleCommands(program)
  .filter((command) => command.name() !== 'help');

/** The help of a command without the options that all have; these come with the whole. */
function helpOf(name: string): string {
  let text = '';
  const command = commands.find((each) => each.name() === name);
  command
    ?.configureHelp({ showGlobalOptions: false })
    .configureOutput({ writeOut: (part) => (text += part) })
    .outputHelp();
  return text.trimEnd();
}

function commandsSection(): string {
  const whole = program.helpInformation().trimEnd();
  const sections = commands.map((command) => {
    const name = command.name();
    return `### outboard ${name}\n\n\`\`\`text\n${helpOf(name)}\n\`\`\`\n`;
  });
  return `${START}\n\`\`\`text\n${whole}\n\`\`\`\n\n${sections.join('\n')}\n${END}`;
}

describe('the help of the whole', () => {
  it('tells where the fleet is, which is none of its commands', () => {
    let text = '';
    createProgram({ terminal: silent, run: async () => {} })
      .configureOutput({ writeOut: (part) => (text += part) })
      .outputHelp();
    expect(text).toContain('npm run outboard -- fleet --dpus N');
  });
});

describe('the README', () => {
  it('has the help of every command, as it is', () => {
    const text = readFileSync(README, 'utf8');
    const [before = '', rest = ''] = text.split(START);
    const after = rest.split(END)[1] ?? '';
    const expected = `${before}${commandsSection()}${after}`;
    if (process.env.OUTBOARD_WRITE_DOCUMENTS === '1') writeFileSync(README, expected);
    expect(readFileSync(README, 'utf8')).toBe(expected);
  });

  it('tells where the seed of a local stack is looked for', () => {
    expect(readFileSync(README, 'utf8')).toContain(`\`${LOCAL_SEED}\``);
  });
});

describe('the help', () => {
  it('of every command has examples', () => {
    for (const command of commands.filter((each) => each.name() !== 'version')) {
      expect(helpOf(command.name())).toMatch(new RegExp(`\nExamples:\n {2}outboard .*${command.name()}`));
    }
  });

  it('names every kind', () => {
    for (const kind of KINDS) expect(helpOf('get')).toMatch(new RegExp(`\\b${kindToken(kind)}\\b`));
  });
});

it('the version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(VERSION).toBe(version);
});
