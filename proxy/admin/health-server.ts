/** The health port: /healthz/ready and the application's rewritten probes for the kubelet, reachable from outside, and nothing else. */

import { answerAppProbe, isAppProbe, type AppProbeDeps } from './app-probe/app-probes.ts';
import { listen, type BoundServer, type ServerOptions } from './http-server.ts';
import { textAnswer } from './page.ts';
import { readyAnswer } from './ready.ts';
import type { AdminView } from './view.ts';

/** Rejects with the system's error when the address cannot be bound. `appProbes` is absent where injection rewrote none. */
export function createHealthServer(view: AdminView, options: ServerOptions, appProbes?: AppProbeDeps): Promise<BoundServer> {
  return listen(options, (request) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (path === '/healthz/ready') return readyAnswer(view);
    return appProbes !== undefined && isAppProbe(path) ? answerAppProbe(path, request, appProbes) : textAnswer('', 404);
  });
}
