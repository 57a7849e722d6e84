import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';

const ROOT = new URL('../../../', import.meta.url).pathname;
const buf = (directory: string, ...options: string[]) =>
  spawnSync(join(ROOT, 'node_modules/.bin/buf'), options, { cwd: directory, encoding: 'utf8' });

describe('the protos', () => {
  const copy = mkdtempSync(join(tmpdir(), 'outboard-proto-'));
  afterAll(() => rmSync(copy, { recursive: true }));

  it('are clean, formatted, and break nobody who speaks the released ones', () => {
    expect(execFileSync('npm', ['run', '--silent', 'buf:check'], { cwd: ROOT, encoding: 'utf8' })).toBe('');
  });

  it('fail this check when a field of a public message gets another number', () => {
    cpSync(join(ROOT, 'proto'), join(copy, 'proto'), { recursive: true });
    cpSync(join(ROOT, 'buf.yaml'), join(copy, 'buf.yaml'));
    const file = join(copy, 'proto/outboard/network/v1alpha1/port.proto');
    const changed = readFileSync(file, 'utf8').replace('string admin_state = 7;', 'string admin_state = 70;');
    writeFileSync(file, changed);
    const { status, stdout } = buf(copy, 'breaking', '--against', 'proto/baseline.binpb');
    expect(status).not.toBe(0);
    expect(stdout).toContain('admin_state');
  });
});
