#!/usr/bin/env node
// Installs what the test of the compose stack needs besides what `npm run setup` brings: a Docker engine and its
// clients. No daemon is started: the test runs an engine of its own.
import { installMissing } from '../../tools/debian-packages.mjs';

installMissing({
  dockerd: 'docker.io',
  docker: 'docker.io',
  'docker-compose': 'docker-compose',
  iptables: 'iptables',
  wget: 'wget',
});
