import './nest/run-host-agent.js';
