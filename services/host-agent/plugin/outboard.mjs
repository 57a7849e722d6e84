#!/usr/bin/env node
// The CNI plugin where there was no compiler for outboard.c, which says more. It needs no other file and no package.
import { readFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';

const ANSWER_MILLISECONDS = 115_000;
const path = process.env.OUTBOARD_CNI_SOCKET || '/run/outboard/cni.sock';

/** CNI error 11: the runtime is to try again later. */
function giveUp(doing, why) {
  const msg = `${doing} the Outboard host agent at ${path}: ${why}`;
  writeSync(1, JSON.stringify({ cniVersion: '1.0.0', code: 11, msg }));
  process.exit(1);
}

const isForAgent = (name) => name.startsWith('CNI_') || name.startsWith('TRACE') || name === 'BAGGAGE';
const variables = Object.entries(process.env).filter(([name]) => isForAgent(name));
const environment = variables.map(([name, value]) => `${name}=${value}\0`).join('');

const chunks = [];
const agent = connect(path);
agent.setTimeout(ANSWER_MILLISECONDS, () => giveUp('no answer of', 'no answer in time'));
agent.on('error', (failure) => giveUp('cannot reach', failure.message));
agent.on('data', (chunk) => chunks.push(chunk));
agent.on('end', () => {
  const answer = Buffer.concat(chunks);
  const end = answer.indexOf('\n');
  if (end < 1) giveUp('no answer of', 'the connection was closed');
  for (let offset = end + 1; offset < answer.length; ) offset += writeSync(1, answer, offset);
  process.exit(Number(answer.toString('utf8', 0, end)));
});
agent.end(Buffer.concat([Buffer.from(`${environment}\0`), readFileSync(0)]));
