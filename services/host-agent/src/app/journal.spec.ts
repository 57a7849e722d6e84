import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Name, TenantName } from '@outboard/model';
import { RecordingLog } from '@outboard/testkit';
import { type Attachment, keyOf } from '../domain/attachment.js';
import { Journal } from './journal.js';

const ATTACHMENT = {
  containerId: 'c1',
  ifname: 'eth0',
  network: 'pods',
  netns: { path: '/run/netns/c1', inode: 4026532000 },
  pod: { namespace: 'team-a', name: 'web-0' },
  tenant: 'acme' as TenantName,
  port: 'web-0-eth0-0123456789ab' as Name,
  made: 'port',
  function: { name: 'dpu-1-vf0', dpu: 'dpu-1', serialNumber: 's', pfMacAddress: 'm', vfNumber: 0 },
  device: { ifname: 'enp1s0f0v0', address: '02:00:00:00:00:01', mtu: 1500 },
  phase: 'attaching',
} as unknown as Attachment;

describe('the journal', () => {
  let directory: string;
  let log: RecordingLog;
  const open = (): Journal => Journal.open(directory, log);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'outboard-journal-'));
    log = new RecordingLog();
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it('has after a restart what was written last, and nothing that was removed', () => {
    const journal = open();
    journal.write(ATTACHMENT);
    journal.write({ ...ATTACHMENT, phase: 'attached' });
    journal.write({ ...ATTACHMENT, ifname: 'net1' });
    journal.remove(keyOf({ ...ATTACHMENT, ifname: 'net1' }));
    expect(open().values()).toEqual([{ ...ATTACHMENT, phase: 'attached' }]);
  });

  it('has what is prepared when it takes its place, and nothing of it when it never does', () => {
    const journal = open();
    journal.write(ATTACHMENT);
    const write = journal.prepare({ ...ATTACHMENT, phase: 'attached' });
    expect(journal.values()).toEqual([ATTACHMENT]);
    expect(open().values()).toEqual([ATTACHMENT]);
    const again = journal.prepare({ ...ATTACHMENT, phase: 'attached' });
    again();
    expect(journal.values()).toEqual([{ ...ATTACHMENT, phase: 'attached' }]);
    expect(open().values()).toEqual(journal.values());
    journal.prepare(ATTACHMENT);
    journal.remove(keyOf(ATTACHMENT));
    expect(write).toThrow(/ENOENT/);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('knows nothing of a write that failed', () => {
    const journal = open();
    rmSync(directory, { recursive: true });
    expect(() => journal.write(ATTACHMENT)).toThrow(/ENOENT/);
    expect(journal.values()).toEqual([]);
    open();
  });

  it('forgets a write that was cut short, and puts aside what cannot be read', () => {
    open().write(ATTACHMENT);
    writeFileSync(join(directory, 'aa.json.new'), '{"format":1,');
    writeFileSync(join(directory, 'bb.json'), '');
    writeFileSync(join(directory, 'cc.json'), '{"format":2}');
    expect(open().values()).toEqual([ATTACHMENT]);
    expect(log.at('error')).toHaveLength(2);
    expect(readdirSync(directory).filter((name) => !name.match(/^[0-9a-f]{32}\.json$/))).toEqual([
      'bb.json.unusable',
      'cc.json.unusable',
    ]);
  });
});
