/** The whole table: hosts with their policies, and the rows that ask them. */

import type { Case } from '../case.ts';
import type { TestHost } from '../targets/test-host.ts';
import { ejectionCases, ejectionHosts } from './ejection.ts';
import { faultCases, faultHosts } from './faults.ts';
import { mirrorCases, mirrorHosts } from './mirrors.ts';
import { poolCases, poolHosts } from './pools.ts';
import { replyCases, replyHosts } from './replies.ts';
import { retryCases, retryHosts } from './retries.ts';
import { conditionCases, conditionHosts } from './retry-conditions.ts';
import { timeoutCases, timeoutHosts } from './timeouts.ts';

/** `app` answers the runner's own requests, without any policy. */
const app: TestHost = { name: 'app', endpoints: ['upstream'], http: [{ retries: { attempts: 0 } }], envoy: { routes: [{ route: { retry_policy: null } }] } };

export const hosts: readonly TestHost[] = [app, ...conditionHosts, ...retryHosts, ...timeoutHosts, ...replyHosts, ...faultHosts, ...poolHosts, ...ejectionHosts, ...mirrorHosts];

export const cases: readonly Case[] = [...conditionCases, ...retryCases, ...timeoutCases, ...replyCases, ...faultCases, ...poolCases, ...ejectionCases, ...mirrorCases];
