/** /ready: LIVE or why not; and /healthz/ready, which Kubernetes asks on the health port. */

import { textAnswer, type AdminAnswer, type AdminPage } from './page.ts';
import type { AdminView } from './view.ts';

export function readyPage(view: AdminView): AdminPage {
  return { path: '/ready', help: 'print the server state, 200 if LIVE, otherwise 503', answer: () => readyAnswer(view) };
}

export function readyAnswer(view: AdminView): AdminAnswer {
  const state = view.state();
  return textAnswer(`${state}\n`, state === 'LIVE' ? 200 : 503);
}
