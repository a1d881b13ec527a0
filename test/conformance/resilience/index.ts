/** The whole table: hosts with their policies, and the rows that ask them. */

import type { Case } from '../case.ts';
import type { Group } from '../run-groups.ts';
import { ejectionCases, ejectionHosts } from './ejection.ts';
import { faultCases, faultHosts } from './faults.ts';
import { mirrorCases, mirrorHosts } from './mirrors.ts';
import { poolCases, poolHosts } from './pools.ts';
import { replyCases, replyHosts } from './replies.ts';
import { retryCases, retryHosts } from './retries.ts';
import { conditionCases, conditionHosts } from './retry-conditions.ts';
import { callCases, callHosts, timeoutCases, timeoutHosts, tryCases, tryHosts } from './timeouts.ts';

/** `app` answers the runner's own requests, without any policy; no row ends its connections. */
const app: Group = { hosts: [{ name: 'app', endpoints: ['upstream'], http: [{ retries: { attempts: 0 } }], envoy: { routes: [{ route: { retry_policy: null } }] } }], cases: [] };

export const groups: readonly Group[] = [
  app,
  { hosts: conditionHosts, cases: conditionCases },
  { hosts: retryHosts, cases: retryCases },
  { hosts: timeoutHosts, cases: timeoutCases },
  { hosts: tryHosts, cases: tryCases },
  { hosts: callHosts, cases: callCases },
  { hosts: replyHosts, cases: replyCases },
  { hosts: faultHosts, cases: faultCases },
  { hosts: poolHosts, cases: poolCases },
  { hosts: ejectionHosts, cases: ejectionCases },
  { hosts: mirrorHosts, cases: mirrorCases },
];

export const cases: readonly Case[] = groups.flatMap((group) => group.cases);
