/** The health port: /healthz/ready for Kubernetes, reachable from outside, and nothing else. */

import { listen, type BoundServer, type ServerOptions } from './http-server.ts';
import { textAnswer } from './page.ts';
import { readyAnswer } from './ready.ts';
import type { AdminView } from './view.ts';

/** Rejects with the system's error when the address cannot be bound. */
export function createHealthServer(view: AdminView, options: ServerOptions): Promise<BoundServer> {
  return listen(options, ({ url = '' }) => (url.split('?', 1)[0] === '/healthz/ready' ? readyAnswer(view) : textAnswer('', 404)));
}
