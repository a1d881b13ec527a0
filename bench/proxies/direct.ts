/** No proxy: what the load generator and the upstream cost by themselves. */

import type { Peer } from '../types.ts';

export const direct: Peer = {
  name: 'direct',
  works: ['http', 'tcp'],
  accessLog: false,
  missing: () => undefined,
  version: () => 'no proxy',
  start: (plan) => Promise.resolve({ port: plan.upstreamPort, pids: [], stop: () => Promise.resolve() }),
};
