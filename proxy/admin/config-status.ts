/** /config_status: which snapshot serves, what the last attempt to load one came to; and /reload, which makes an attempt. */

import { renderProblem } from '../../config/runtime/problem.ts';
import { jsonAnswer, type AdminPage } from './page.ts';
import type { AdminView, ConfigStatus } from './view.ts';

export function configStatusPage(view: AdminView): AdminPage {
  return {
    path: '/config_status',
    help: 'print the version that serves, and the outcome and problems of the last load',
    answer: () => jsonAnswer(renderStatus(view.configStatus())),
  };
}

/** 400 when the snapshot was rejected: what served before goes on serving. */
export function reloadPage(view: AdminView): AdminPage {
  return {
    path: '/reload',
    help: 'load the snapshot again now; 400 if it is rejected',
    mutates: true,
    answer: async () => {
      const status = await view.reload();
      return jsonAnswer(renderStatus(status), status.lastAttempt === 'accepted' ? 200 : 400);
    },
  };
}

function renderStatus(status: ConfigStatus): unknown {
  return { ...status, problems: status.problems.map(renderProblem) };
}
