// strongSwan's daemon, started without an init system: each instance has its own directory, socket and settings. It insists on
// /run/charon.pid: several on one machine need a /run each, as containers have.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Vici } from './vici.mjs';

const PROGRAM = '/usr/lib/ipsec/charon';
const START_MILLISECONDS = 10_000;
const RETRY_MILLISECONDS = 20;
/** kernel-libipsec does ESP in this process, over a TUN device: it needs nothing of the kernel's. */
const PLUGINS = 'random nonce openssl kdf pem pubkey kernel-libipsec kernel-netlink socket-default vici';
export const TUNNEL_DEVICE = 'ipsec0';

/** A peer that is gone is known to be after 12 s: 1 + 1.8 + 3.2 + 5.8. */
const settings = (socket) => `charon {
  load = ${PLUGINS}
  install_virtual_ip = no
  retransmit_timeout = 1.0
  retransmit_tries = 3
  filelog {
    stderr {
      default = 1
    }
  }
  syslog {
    daemon {
      default = -1
    }
    auth {
      default = -1
    }
  }
  plugins {
    vici {
      socket = unix://${socket}
    }
  }
}
`;

/** Runs the daemon. Resolves with its `vici` and with `ended`, which resolves with a reason when it has ended. */
export async function startCharon() {
  const directory = mkdtempSync(join(tmpdir(), 'cnf-ipsec-'));
  const socket = join(directory, 'charon.vici');
  const settingsFile = join(directory, 'strongswan.conf');
  writeFileSync(settingsFile, settings(socket));
  // It dies with this program.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', PROGRAM], {
    env: { ...process.env, STRONGSWAN_CONF: settingsFile },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  let reason;
  const ended = new Promise((resolve) => {
    const end = (why) => {
      reason = why;
      rmSync(directory, { recursive: true, force: true });
      resolve(why);
    };
    child.once('error', (failure) => end(failure.message));
    child.once('exit', (status, signal) => end(`charon ended with ${status ?? signal}`));
  });
  const stop = () => {
    child.kill('SIGTERM');
    return ended;
  };
  const deadline = performance.now() + START_MILLISECONDS;
  for (;;) {
    try {
      return { vici: await Vici.open(socket), ended, stop };
    } catch (failure) {
      if (reason !== undefined) throw new Error(reason);
      if (performance.now() > deadline) {
        await stop();
        throw new Error(`charon is not there after ${START_MILLISECONDS} ms: ${failure.message}`);
      }
      await setTimeout(RETRY_MILLISECONDS);
    }
  }
}
