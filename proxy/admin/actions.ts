/** The pages that only set something off: POST, answered `OK`. */

import { OK, type AdminPage } from './page.ts';
import type { AdminView } from './view.ts';

export function actionPages(view: AdminView): readonly AdminPage[] {
  return [
    action('/drain_listeners', 'stop accepting connections, go on with those there are', () => view.drainListeners()),
    action('/healthcheck/fail', 'cause the server to fail health checks', () => view.setHealthy(false)),
    action('/healthcheck/ok', 'cause the server to pass health checks', () => view.setHealthy(true)),
    {
      ...action('/quitquitquit', 'drain and exit the server', () => {}),
      // Not before the answer has left: the exit closes this connection too.
      answer: () => ({ ...OK, afterwards: () => view.quit() }),
    },
    action('/reset_counters', 'set all counters to zero', () => view.resetCounters()),
  ];
}

function action(path: string, help: string, run: () => void): AdminPage {
  return {
    path,
    help,
    mutates: true,
    answer: () => {
      run();
      return OK;
    },
  };
}
