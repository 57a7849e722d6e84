#!/usr/bin/env node
// Installs the container runtimes that the tests of the CNI plugin call, besides what `npm run setup` brings. No daemon
// is started: the tests run their own.
import { installMissing } from '../../tools/debian-packages.mjs';

installMissing({
  podman: 'podman',
  containerd: 'containerd',
  runc: 'runc',
  busybox: 'busybox-static',
});
